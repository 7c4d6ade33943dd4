/* The command that every runner is given: as little as a command can do, with outputs that can be judged.
 *
 *   tiny chunk INDEX IN OUT [PAUSE_US]   64 bytes of INDEX and IN's first line; with a pause between its halves
 *   tiny join LIST OUT                   the files that LIST names, one after the other
 *
 * Appends +INDEX to the file $TINY_LOG when it begins and -INDEX when it is done ("join" for a join). tiny.sh does the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE = 64, HALF = 32 };

static void die(const char *what) {
    fprintf(stderr, "tiny: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void put(int file, const char *bytes, size_t count, const char *name) {
    if (write(file, bytes, count) != (ssize_t)count) die(name);
}

static void note(char mark, const char *who) {
    static int log = -1;
    const char *name = getenv("TINY_LOG");
    char line[32];
    if (!name) return;
    if (log < 0 && (log = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) < 0) die(name);
    put(log, line, (size_t)snprintf(line, sizeof line, "%c%s\n", mark, who), name);
}

static void chunk(const char *index, const char *from, const char *to, useconds_t pause) {
    char text[56] = "", line[LINE + 1];
    int in = open(from, O_RDONLY), out;
    if (in < 0 || read(in, text, sizeof text - 1) < 0) die(from);
    text[strcspn(text, "\n")] = 0;
    snprintf(line, sizeof line, "%-8s %-54.54s\n", index, text);
    if ((out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644)) < 0) die(to);
    if (!pause) {
        put(out, line, LINE, to);
        return;
    }
    put(out, line, HALF, to);
    usleep(pause);
    put(out, line + HALF, LINE - HALF, to);
}

static void join(const char *list, const char *to) {
    static char name[4096], block[1 << 16];
    FILE *names = fopen(list, "r"), *out = fopen(to, "w");
    if (!names) die(list);
    if (!out) die(to);
    while (fscanf(names, "%4095s", name) == 1) {
        int part = open(name, O_RDONLY);
        ssize_t count;
        if (part < 0) die(name);
        while ((count = read(part, block, sizeof block)) > 0)
            if (fwrite(block, 1, (size_t)count, out) != (size_t)count) die(to);
        if (count < 0) die(name);
        close(part);
    }
    if (fclose(out)) die(to);
}

int main(int count, char **words) {
    if (count >= 5 && !strcmp(words[1], "chunk")) {
        note('+', words[2]);
        chunk(words[2], words[3], words[4], count > 5 ? (useconds_t)atol(words[5]) : 0);
        note('-', words[2]);
    } else if (count == 4 && !strcmp(words[1], "join")) {
        note('+', "join");
        join(words[2], words[3]);
        note('-', "join");
    } else {
        fputs("usage: tiny chunk INDEX IN OUT [PAUSE_US] | tiny join LIST OUT\n", stderr);
        return 2;
    }
    return 0;
}
