/* LZ4 frames unpacked, as the descriptions of the frame and block formats (versions 1.6.x) give them.
 *
 * Here because one call of a library for each of many small batches costs more than the unpacking, and lets go of the
 * interpreter's lock. What is not plainly in order is not unpacked: the caller gives it to the library, to say why.
 * Checksums inside the frame are not looked at; a record batch has one of its own.
 */

typedef struct { PyObject *bytes; size_t size, room; } Unpacked; /* bytes: with more room than `size`, or NULL */

static unsigned char *unpacked_at(const Unpacked *out) { return (unsigned char *)PyBytes_AS_STRING(out->bytes); }

/* Whether there is; an exception says that there cannot be. */
static int room_for(Unpacked *out, size_t more) {
    if (more <= out->room - out->size) return 1;
    size_t room = out->room * 2 > out->size + more ? out->room * 2 : out->size + more;
    if (out->bytes ? _PyBytes_Resize(&out->bytes, (Py_ssize_t)room) < 0 : !(out->bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)room)))
        return *out = (Unpacked){0}, 0;
    out->room = room;
    return 1;
}

/* What was unpacked, a new reference that is the caller's. */
static PyObject *take_unpacked(Unpacked *out) {
    PyObject *bytes = out->bytes ? out->bytes : PyBytes_FromStringAndSize(NULL, 0);
    if (out->bytes && out->room > out->size) _PyBytes_Resize(&bytes, (Py_ssize_t)out->size);
    *out = (Unpacked){0};
    return bytes;
}

/* Behind the bytes that add to a length of 15, or NULL. */
static const unsigned char *longer(const unsigned char *p, const unsigned char *end, size_t *length) {
    for (;;) {
        if (p == end) return NULL;
        *length += *p;
        if (*p++ != 255) return p;
    }
}

enum { SLACK = 16 }; /* so many bytes behind the room of a block may be written over */

static void copy_match(unsigned char *to, size_t back, size_t length) {
    const unsigned char *from = to - back;
    unsigned char *end = to + length;
    if (back < 8) {
        while (to < end) *to++ = *from++;
        return;
    }
    for (; to < end; to += 8, from += 8) memcpy(to, from, 8);
}

/* Behind the last byte written, or NULL. `window`: how far back a match may reach. */
static unsigned char *unpack_block(const unsigned char *p, const unsigned char *end, unsigned char *to,
                                   const unsigned char *limit, const unsigned char *window) {
    while (p < end) {
        unsigned token = *p++;
        size_t length = token >> 4;
        if (length == 15 && !(p = longer(p, end, &length))) return NULL;
        if (length > (size_t)(end - p) || length > (size_t)(limit - to)) return NULL;
        if (length <= 16 && end - p >= 16) memcpy(to, p, 16);
        else memcpy(to, p, length);
        to += length;
        p += length;
        if (p == end) return to; /* the last sequence has no match */
        if (end - p < 2) return NULL;
        size_t back = p[0] | (size_t)p[1] << 8;
        p += 2;
        length = token & 15;
        if (length == 15 && !(p = longer(p, end, &length))) return NULL;
        length += 4;
        if (!back || back > (size_t)(to - window) || length > (size_t)(limit - to)) return NULL;
        copy_match(to, back, length);
        to += length;
    }
    return NULL;
}

static uint32_t little(const unsigned char *p) { return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24; }

/* Adds what the frame holds to `out`, `most` bytes at most. Whether it is a whole frame, alone, and within that. */
static int unpack_frame(const unsigned char *p, const unsigned char *end, Unpacked *out, size_t most) {
    enum { CONTENT_CHECKSUM = 4, CONTENT_SIZE = 8, BLOCK_CHECKSUM = 16, INDEPENDENT = 32 };
    if (end - p < 7 || little(p) != 0x184d2204u) return 0;
    unsigned flags = p[4], size_code = p[5] >> 4 & 7;
    if (flags >> 6 != 1 || flags & 3 || p[5] & 0x8f || size_code < 4) return 0; /* no dictionaries */
    size_t largest = (size_t)1 << (8 + 2 * size_code), began = out->size;
    size_t header = flags & CONTENT_SIZE ? 15 : 7; /* with its own checksum */
    if ((size_t)(end - p) < header) return 0;
    p += header;
    for (;;) {
        if (end - p < 4) return 0;
        uint32_t size = little(p);
        int stored = size >> 31;
        p += 4;
        if (!size) break;
        size &= 0x7fffffff;
        if (size > (size_t)(end - p) || size > largest || out->size - began > most) return 0;
        if (!room_for(out, largest + SLACK)) return 0;
        unsigned char *to = unpacked_at(out) + out->size;
        const unsigned char *window = flags & INDEPENDENT ? to : unpacked_at(out) + began;
        if (stored) memcpy(to, p, size), to += size;
        else if (!(to = unpack_block(p, p + size, to, to + largest, window))) return 0;
        out->size = (size_t)(to - unpacked_at(out));
        p += size;
        if (flags & BLOCK_CHECKSUM) {
            if (end - p < 4) return 0;
            p += 4;
        }
    }
    return end - p == (flags & CONTENT_CHECKSUM ? 4 : 0) && out->size - began <= most;
}

enum { LARGEST_UNPACKED = 64 << 20 }; /* of one frame: what holds more is left to the library */

/* NULL without an exception when it is not such a frame. */
static PyObject *lz4_decoded(const unsigned char *p, size_t size) {
    Unpacked out = {0};
    if (unpack_frame(p, p + size, &out, LARGEST_UNPACKED)) return take_unpacked(&out);
    Py_XDECREF(out.bytes);
    return NULL;
}
