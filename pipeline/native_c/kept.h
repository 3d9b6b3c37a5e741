/* Rows and campaigns as the changelog has them, in MessagePack: the loops of pipeline.counted_kept. */

static Field slot_kept_tail = {"kept_tail"}, slot_end = {"end_ms"};

static int put_big_endian(Buffer *buffer, unsigned char kind, uint64_t number, int bytes) {
    char *at = buffer_room(buffer, 9);
    if (!at) return -1;
    *at++ = (char)kind;
    for (int i = bytes - 1; i >= 0; i--) *at++ = (char)(number >> (8 * i));
    buffer->size += (size_t)bytes + 1;
    return 0;
}

static int put_number(Buffer *buffer, int64_t number) {
    if (number >= 0) {
        if (number < 0x80) return put_big_endian(buffer, (unsigned char)number, 0, 0);
        if (number <= UINT8_MAX) return put_big_endian(buffer, 0xcc, (uint64_t)number, 1);
        if (number <= UINT16_MAX) return put_big_endian(buffer, 0xcd, (uint64_t)number, 2);
        if (number <= UINT32_MAX) return put_big_endian(buffer, 0xce, (uint64_t)number, 4);
        return put_big_endian(buffer, 0xcf, (uint64_t)number, 8);
    }
    if (number >= -32) return put_big_endian(buffer, (unsigned char)number, 0, 0);
    if (number >= INT8_MIN) return put_big_endian(buffer, 0xd0, (uint64_t)number, 1);
    if (number >= INT16_MIN) return put_big_endian(buffer, 0xd1, (uint64_t)number, 2);
    if (number >= INT32_MIN) return put_big_endian(buffer, 0xd2, (uint64_t)number, 4);
    return put_big_endian(buffer, 0xd3, (uint64_t)number, 8);
}

static int put_numbers(Buffer *buffer, PyObject *row, Py_ssize_t from, Py_ssize_t to) {
    for (Py_ssize_t i = from; i < to; i++) {
        int64_t number = PyLong_AsLongLong(PyList_GET_ITEM(row, i));
        if ((number == -1 && PyErr_Occurred()) || put_number(buffer, number) < 0) return -1;
    }
    return 0;
}

static int put_kept_row(Buffer *buffer, PyObject *slot, PyObject *row) {
    PyObject *end = get_field(&slot_end, slot);
    int64_t end_ms = end ? PyLong_AsLongLong(end) : -1;
    Py_ssize_t length = PyList_GET_SIZE(row);
    if (PyErr_Occurred()) return -1;
    int failed = length + 1 < 16 ? put_big_endian(buffer, (unsigned char)(0x90 | (length + 1)), 0, 0) < 0
                                 : put_big_endian(buffer, 0xdc, (uint64_t)length + 1, 2) < 0;
    return failed || put_numbers(buffer, row, 0, ROW_GAINED) < 0 || put_number(buffer, end_ms) < 0 ||
                   put_numbers(buffer, row, ROW_GAINED, length) < 0 ? -1 : 0;
}

/* `campaign key|ad or nothing|window|start_s` */
static int put_kept_key(Buffer *buffer, PyObject *slot, PyObject *name) {
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(name, &size);
    PyObject *tail = get_field(&slot_kept_tail, slot);
    if (!text || !tail) return -1;
    return put_bytes(buffer, text, (size_t)size) < 0 || (!memchr(text, '|', (size_t)size) && put_bytes(buffer, "|", 1) < 0)
               ? -1 : put_bytes(buffer, PyBytes_AS_STRING(tail), (size_t)PyBytes_GET_SIZE(tail));
}

static int put_buffers(Pairs *found, const Buffer *key, const Buffer *value) {
    return put_pair(found, (Part){key->at, (Py_ssize_t)key->size}, (Part){value->at, (Py_ssize_t)value->size});
}

static PyObject *native_kept(PyObject *module, PyObject *args) {
    PyObject *targets;
    Pairs *found;
    Buffer key = {0}, value = {0};
    Target target;
    Py_ssize_t position = 0;
    int more;
    if (!PyArg_ParseTuple(args, "OO!", &targets, &PairsType, &found)) return NULL;
    if (!are_targets(targets)) return PyErr_Format(PyExc_TypeError, "targets are NotedRows or a list");
    while ((more = next_target(targets, &position, &target)) > 0) {
        key.size = value.size = 0;
        if (put_kept_key(&key, target.slot, target.name) < 0 || put_kept_row(&value, target.slot, target.row) < 0 || put_buffers(found, &key, &value) < 0) break;
    }
    PyMem_RawFree(key.at);
    PyMem_RawFree(value.at);
    if (more) return NULL;
    Py_RETURN_NONE;
}

/* -- campaigns ------------------------------------------------------------------------------------------------------- */

static int put_string(Buffer *buffer, PyObject *string) {
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(string, &size);
    if (!text) return -1;
    int failed = size < 32 ? put_big_endian(buffer, (unsigned char)(0xa0 | size), 0, 0) < 0
                 : size <= UINT8_MAX  ? put_big_endian(buffer, 0xd9, (uint64_t)size, 1) < 0
                 : size <= UINT16_MAX ? put_big_endian(buffer, 0xda, (uint64_t)size, 2) < 0
                                      : put_big_endian(buffer, 0xdb, (uint64_t)size, 4) < 0;
    return failed ? -1 : put_bytes(buffer, text, (size_t)size);
}

static int put_campaign_row(Buffer *buffer, PyObject *campaign, int64_t order) {
    PyObject *zone = campaign ? get_field(&campaign_fields[ZONE_OF], campaign) : NULL;
    PyObject *currency = zone ? get_field(&campaign_fields[CURRENCY_OF], campaign) : NULL;
    return !currency || put_big_endian(buffer, 0x93, 0, 0) < 0 || put_number(buffer, order) < 0 || put_string(buffer, zone) < 0 ? -1 : put_string(buffer, currency);
}

static PyObject *native_kept_campaigns(PyObject *module, PyObject *args) {
    PyObject *names, *campaigns;
    const char *prefix;
    Py_ssize_t prefix_size;
    long long order;
    Pairs *found;
    Buffer key = {0}, value = {0};
    if (!PyArg_ParseTuple(args, "O!O!y#LO!", &PyList_Type, &names, &PyDict_Type, &campaigns, &prefix, &prefix_size, &order, &PairsType, &found)) return NULL;
    for (Py_ssize_t i = 0; !PyErr_Occurred() && i < PyList_GET_SIZE(names); i++) {
        PyObject *name = PyList_GET_ITEM(names, i), *campaign = PyDict_GetItemWithError(campaigns, name);
        key.size = value.size = 0;
        if (!campaign || !PyBytes_Check(name)) {
            if (!PyErr_Occurred()) PyErr_SetObject(PyExc_KeyError, name);
        } else if (put_bytes(&key, prefix, (size_t)prefix_size) == 0 && put_bytes(&key, PyBytes_AS_STRING(name), (size_t)PyBytes_GET_SIZE(name)) == 0 &&
                   put_campaign_row(&value, campaign, order) == 0)
            put_buffers(found, &key, &value);
    }
    PyMem_RawFree(key.at);
    PyMem_RawFree(value.at);
    if (PyErr_Occurred()) return NULL;
    Py_RETURN_NONE;
}
