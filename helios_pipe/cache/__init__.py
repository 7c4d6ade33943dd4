"""What exists: blobs, results, digests of source files."""
