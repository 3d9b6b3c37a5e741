/* Bytes that are being put together. */
typedef struct { char *at; size_t size, room; } Buffer;

static char *buffer_room(Buffer *buffer, size_t more) {
    if (buffer->size + more > buffer->room) {
        size_t room = (buffer->size + more) * 2;
        char *at = PyMem_RawRealloc(buffer->at, room);
        if (!at) return PyErr_NoMemory(), NULL;
        buffer->at = at;
        buffer->room = room;
    }
    return buffer->at + buffer->size;
}

static int put_bytes(Buffer *buffer, const char *from, size_t size) {
    if (!size) return 0;
    char *at = buffer_room(buffer, size);
    if (!at) return -1;
    memcpy(at, from, size);
    buffer->size += size;
    return 0;
}
