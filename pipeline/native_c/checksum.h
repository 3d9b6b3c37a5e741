/* CRC-32C (Castagnoli, RFC 3720 appendix B.4), the checksum of Kafka's message format 2. */

static uint32_t crc_table[256];

static void prepare_checksum(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
        crc_table[byte] = crc;
    }
}

static uint32_t checksum_by_table(const unsigned char *p, size_t size) {
    uint32_t crc = ~0u;
    for (size_t i = 0; i < size; i++) crc = crc >> 8 ^ crc_table[(crc ^ p[i]) & 0xff];
    return ~crc;
}

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("sse4.2"))) static uint32_t checksum_by_instruction(const unsigned char *p, size_t size) {
    uint64_t crc = ~0u, word;
    for (; size >= 8; p += 8, size -= 8) {
        memcpy(&word, p, 8);
        crc = __builtin_ia32_crc32di(crc, word);
    }
    for (; size; p++, size--) crc = __builtin_ia32_crc32qi((uint32_t)crc, *p);
    return ~(uint32_t)crc;
}
#endif

static uint32_t checksum(const unsigned char *p, size_t size) {
#if defined(__x86_64__) && defined(__GNUC__)
    if (__builtin_cpu_supports("sse4.2")) return checksum_by_instruction(p, size);
#endif
    return checksum_by_table(p, size);
}

static PyObject *native_checksum(PyObject *Py_UNUSED(module), PyObject *args) {
    Py_buffer bytes;
    if (!PyArg_ParseTuple(args, "y*", &bytes)) return NULL;
    PyObject *found = PyLong_FromUnsignedLong(checksum(bytes.buf, (size_t)bytes.len));
    PyBuffer_Release(&bytes);
    return found;
}
