/* 128 bits that stand for a string. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* -- SipHash-1-3 with 128 bits, as its authors describe it ------------------------------------------------------- */

typedef struct { uint64_t a, b; } Hash;

#define ROTATE(x, n) (((x) << (n)) | ((x) >> (64 - (n))))
#define ROUND                                                                                                          \
    do {                                                                                                               \
        v0 += v1; v1 = ROTATE(v1, 13); v1 ^= v0; v0 = ROTATE(v0, 32);                                                  \
        v2 += v3; v3 = ROTATE(v3, 16); v3 ^= v2;                                                                       \
        v0 += v3; v3 = ROTATE(v3, 21); v3 ^= v0;                                                                       \
        v2 += v1; v1 = ROTATE(v1, 17); v1 ^= v2; v2 = ROTATE(v2, 32);                                                  \
    } while (0)

/* `k0` and `k1`: the key. */
static inline Hash keyed_hash(uint64_t k0, uint64_t k1, const char *data, size_t size) {
    uint64_t v0 = k0 ^ 0x736f6d6570736575ULL, v1 = k1 ^ 0x646f72616e646f6dULL ^ 0xee;
    uint64_t v2 = k0 ^ 0x6c7967656e657261ULL, v3 = k1 ^ 0x7465646279746573ULL;
    uint64_t last = (uint64_t)size << 56, word;
    size_t at = 0;
    for (; at + 8 <= size; at += 8) {
        memcpy(&word, data + at, 8);
        v3 ^= word;
        ROUND;
        v0 ^= word;
    }
    for (size_t i = 0; at + i < size; i++) last |= (uint64_t)(unsigned char)data[at + i] << (8 * i);
    v3 ^= last;
    ROUND;
    v0 ^= last;
    v2 ^= 0xee;
    ROUND; ROUND; ROUND;
    Hash hash;
    hash.a = v0 ^ v1 ^ v2 ^ v3;
    v1 ^= 0xdd;
    ROUND; ROUND; ROUND;
    hash.b = v0 ^ v1 ^ v2 ^ v3;
    return hash;
}

static Hash hash_of(const char *data, size_t size) { return keyed_hash(0x70756c73652d6964ULL, 0x2d6d656d6f72790aULL, data, size); }
