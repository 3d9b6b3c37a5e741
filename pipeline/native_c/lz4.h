/* What a producer compressed with LZ4, in the one form that Kafka's clients write: a frame of blocks that do not rest on
 * each other, with or without a checksum of each. Whatever else there may be is left to the library, what is not whole as well.
 * https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md and lz4_Frame_format.md
 */

enum { LZ4_FRAME = 7, LZ4_BLOCK = 4, LZ4_WIDE = 16, LZ4_LEAST = 4, LZ4_MORE = 15 };

typedef struct { const unsigned char *at, *end; } Packed;

/* A frame: bytes of a block at most, 0 when it is another kind; bytes of checksum behind each block. */
typedef struct { size_t block_bytes, checksum; } Frame;

static inline uint32_t lz4_word(const unsigned char *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint32_t turned(uint32_t bits, int by) { return bits << by | bits >> (32 - by); }

/* XXH32 with seed 0: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md */
static uint32_t xxh32(Packed of) {
    const uint32_t prime[] = {2654435761u, 2246822519u, 3266489917u, 668265263u, 374761393u};
    uint32_t sums[] = {prime[0] + prime[1], prime[1], 0, 0u - prime[0]}, hash = prime[4], size = (uint32_t)(of.end - of.at);
    if (size >= 16) {
        for (; of.end - of.at >= 16; of.at += 16)
            for (int i = 0; i < 4; i++) sums[i] = turned(sums[i] + lz4_word(of.at + 4 * i) * prime[1], 13) * prime[0];
        hash = turned(sums[0], 1) + turned(sums[1], 7) + turned(sums[2], 12) + turned(sums[3], 18);
    }
    hash += size;
    for (; of.end - of.at >= 4; of.at += 4) hash = turned(hash + lz4_word(of.at) * prime[2], 17) * prime[3];
    for (; of.at < of.end; of.at++) hash = turned(hash + *of.at * prime[4], 11) * prime[0];
    hash = (hash ^ hash >> 15) * prime[1];
    hash = (hash ^ hash >> 13) * prime[2];
    return hash ^ hash >> 16;
}

/* How many, where the token says `size`; SIZE_MAX when that is not whole. */
static inline size_t lz4_size(Packed *from, size_t size, size_t more_than) {
    if (size != LZ4_MORE) return size + more_than;
    for (unsigned char byte = 255; byte == 255; size += byte) {
        if (from->at == from->end) return SIZE_MAX;
        byte = *from->at++;
    }
    return size + more_than;
}

/* So many bytes that were written before, which may be among those written now. */
static inline void lz4_repeat(char *to, size_t distance, size_t size) {
    const char *from = to - distance;
    if (distance >= size) memcpy(to, from, size);
    else if (distance == 1) memset(to, *from, size);
    else
        for (size_t done = 0, known = distance; done < size; done += known, known = known * 2) {
            if (known > size - done) known = size - done;
            memcpy(to + done, from, known);
        }
}

/* Behind the last byte of the block, all of which is before `stop`; NULL when it is no such block. */
static char *lz4_block(Packed from, char *const to, char *const stop) {
    char *out = to;
    while (from.at < from.end) {
        unsigned char token = *from.at++;
        size_t size = lz4_size(&from, token >> 4, 0);
        if (size > (size_t)(from.end - from.at) || size > (size_t)(stop - out)) return NULL;
        if (size <= LZ4_WIDE && from.end - from.at >= LZ4_WIDE && stop - out >= LZ4_WIDE) memcpy(out, from.at, LZ4_WIDE);
        else memcpy(out, from.at, size);
        out += size;
        from.at += size;
        if (from.at == from.end) return out; /* a block ends with bytes of its own */
        if (from.end - from.at < 2) return NULL;
        size_t distance = (size_t)from.at[0] | (size_t)from.at[1] << 8;
        from.at += 2;
        size = lz4_size(&from, token & 15, LZ4_LEAST);
        if (!distance || distance > (size_t)(out - to) || size > (size_t)(stop - out)) return NULL;
        if (size <= LZ4_WIDE && distance >= LZ4_WIDE && stop - out >= LZ4_WIDE) memcpy(out, out - distance, LZ4_WIDE);
        else lz4_repeat(out, distance, size);
        out += size;
    }
    return NULL;
}

/* The size of the block at `at` and whether it is compressed; 0 at the end of the frame, which is the end of all. */
static int lz4_next(Packed *from, Frame frame, size_t *size, int *is_compressed) {
    if (from->end - from->at < LZ4_BLOCK) return -1;
    uint32_t told = lz4_word(from->at);
    from->at += LZ4_BLOCK;
    *size = told & 0x7fffffff;
    *is_compressed = told >> 31 == 0;
    if (!told) return from->at == from->end ? 0 : -1;
    return *size && *size + frame.checksum <= (size_t)(from->end - from->at) ? 1 : -1;
}

/* How much the blocks may hold; -1 when this is not such a frame. */
static int64_t lz4_most(Packed from, Frame frame) {
    int64_t most = 0;
    size_t size;
    int is_compressed, more;
    for (; (more = lz4_next(&from, frame, &size, &is_compressed)) > 0; from.at += size + frame.checksum) {
        if (!is_compressed && size > frame.block_bytes) return -1;
        size_t block = is_compressed ? (size + 1) * 255 : size; /* a byte stands for 255 at most */
        most += (int64_t)(block < frame.block_bytes ? block : frame.block_bytes);
    }
    return more < 0 || most > INT32_MAX ? -1 : most;
}

static char *lz4_blocks(Packed from, Frame frame, char *out, char *stop) {
    size_t size;
    int is_compressed;
    while (out && lz4_next(&from, frame, &size, &is_compressed) > 0) {
        char *end = (size_t)(stop - out) < frame.block_bytes ? stop : out + frame.block_bytes;
        Packed block = {from.at, from.at + size};
        if (frame.checksum && xxh32(block) != lz4_word(block.end)) return NULL;
        if (is_compressed) out = lz4_block(block, out, end);
        else if (size > (size_t)(end - out)) return NULL;
        else out = (char *)memcpy(out, from.at, size) + size;
        from.at += size + frame.checksum;
    }
    return out;
}

static Frame lz4_frame(Packed from) {
    static const unsigned char magic[] = {0x04, 0x22, 0x4d, 0x18};
    enum { VERSION_APART = 0x60, CHECKSUMS = 0x10, SIZES = 0x40, ONE_SIZE = 0x10 }; /* of the two bytes behind it; then their checksum */
    Frame frame = {0, 0};
    if (from.end - from.at < LZ4_FRAME || memcmp(from.at, magic, sizeof magic) != 0) return frame;
    int flags = from.at[4], sizes = from.at[5];
    if ((flags & ~CHECKSUMS) != VERSION_APART || sizes < SIZES || sizes >= 2 * SIZES || sizes % ONE_SIZE) return frame;
    if ((xxh32((Packed){from.at + 4, from.at + 6}) >> 8 & 0xff) != from.at[6]) return frame;
    frame.checksum = flags & CHECKSUMS ? 4 : 0;
    frame.block_bytes = (size_t)65536 << (2 * ((sizes - SIZES) / ONE_SIZE));
    return frame;
}

/* NULL without an exception when it is not such a frame, or not whole. */
static PyObject *lz4_decoded(Packed from) {
    Frame frame = lz4_frame(from);
    from.at += LZ4_FRAME;
    int64_t most = frame.block_bytes ? lz4_most(from, frame) : -1;
    PyObject *found = most < 0 ? NULL : PyBytes_FromStringAndSize(NULL, most);
    char *out = NULL;
    if (found) {
        char *to = PyBytes_AS_STRING(found);
        Py_BEGIN_ALLOW_THREADS
        out = lz4_blocks(from, frame, to, to + most);
        Py_END_ALLOW_THREADS
        if (!out) Py_CLEAR(found);
        else if (out - to != most && _PyBytes_Resize(&found, out - to) < 0) found = NULL;
    }
    return found;
}

static PyObject *native_lz4_decoded(PyObject *module, PyObject *args) {
    Py_buffer packed;
    if (!PyArg_ParseTuple(args, "y*", &packed)) return NULL;
    PyObject *found = lz4_decoded((Packed){packed.buf, (const unsigned char *)packed.buf + packed.len});
    PyBuffer_Release(&packed);
    return found || PyErr_Occurred() ? found : Py_NewRef(Py_None);
}
