"""Where blobs live: one module a kind of store."""
