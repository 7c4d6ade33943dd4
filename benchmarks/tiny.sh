# tiny.c for machines without a C compiler: the same words, the same bytes.
set -e
note() { if [ -n "$TINY_LOG" ]; then echo "$1" >>"$TINY_LOG"; fi; }
case $1 in
chunk)
    note "+$2"
    read -r text <"$3"
    if [ -n "$5" ]; then
        printf '%-8s %-23.23s' "$2" "$text" >"$4"
        sleep "$(printf '0.%06d' "$5")"
    fi
    printf '%-8s %-54.54s\n' "$2" "$text" >"$4"
    note "-$2"
    ;;
join)
    note +join
    xargs cat <"$2" >"$3"
    note -join
    ;;
*)
    echo "usage: tiny.sh chunk INDEX IN OUT [PAUSE_US] | tiny.sh join LIST OUT" >&2
    exit 2
    ;;
esac
