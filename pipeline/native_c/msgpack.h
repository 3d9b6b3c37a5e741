/* As much of MessagePack as rows of the changelog use: arrays, whole numbers and short strings. What else there may be is
 * left to Python. https://github.com/msgpack/msgpack/blob/master/spec.md
 *
 * Each returns what is behind the item at `p`; NULL when it is another kind of item, or not whole.
 */

static const char *big_endian(const char *p, const char *end, int size, uint64_t *bits) {
    if (end - p < size) return NULL;
    *bits = 0;
    for (int i = 0; i < size; i++) *bits = *bits << 8 | (unsigned char)p[i];
    return p + size;
}

static const char *msgpack_array(const char *p, const char *end, int64_t *count) {
    if (!p || p >= end) return NULL;
    unsigned char head = (unsigned char)*p++;
    uint64_t bits = head & 0x0f;
    if (head == 0xdc || head == 0xdd) p = big_endian(p, end, head == 0xdc ? 2 : 4, &bits);
    else if (head >> 4 != 9) return NULL;
    *count = (int64_t)bits;
    return p;
}

static const char *msgpack_int(const char *p, const char *end, int64_t *number) {
    if (!p || p >= end) return NULL;
    unsigned char head = (unsigned char)*p++;
    uint64_t bits;
    if (head < 0x80 || head >= 0xe0) {
        *number = (int8_t)head;
        return p;
    }
    if (head < 0xcc || head > 0xd3) return NULL;
    int size = 1 << (head & 3);
    if (!(p = big_endian(p, end, size, &bits))) return NULL;
    if (head < 0xd0) {
        *number = (int64_t)bits;
        return bits > INT64_MAX ? NULL : p;
    }
    int unused = 64 - 8 * size;
    *number = (int64_t)(bits << unused) >> unused;
    return p;
}

static const char *msgpack_string(const char *p, const char *end, Text *text) {
    if (!p || p >= end) return NULL;
    unsigned char head = (unsigned char)*p++;
    uint64_t size = head & 0x1f;
    if (head >= 0xd9 && head <= 0xdb) p = big_endian(p, end, 1 << (head - 0xd9), &size);
    else if (head >> 5 != 5) return NULL;
    if (!p || size > (uint64_t)(end - p) || size > INT32_MAX) return NULL;
    text->at = p;
    text->size = (int32_t)size;
    return p + size;
}
