/* Records as they go over the wire: as many as fit a batch, written in one go.
 *
 * Of the form that wire_records.h reads. What differs between two records is their place, key and value: all have the
 * timestamp of their batch, and neither attributes nor headers.
 */

static size_t varint_size(int64_t number) {
    size_t size = 1;
    for (uint64_t bits = (uint64_t)number << 1 ^ (uint64_t)(number >> 63); bits > 0x7f; bits >>= 7) size++;
    return size;
}

/* Behind the number, which is written at `p`. */
static char *put_varint(char *p, int64_t number) {
    uint64_t bits = (uint64_t)number << 1 ^ (uint64_t)(number >> 63);
    for (; bits > 0x7f; bits >>= 7) *p++ = (char)(bits | 0x80);
    *p++ = (char)bits;
    return p;
}

/* How many bytes `part` takes with its size before it; 0 and an exception when it is neither bytes nor None. */
static size_t sized_size(PyObject *part) {
    if (part == Py_None) return 1;
    if (PyBytes_Check(part)) return varint_size(PyBytes_GET_SIZE(part)) + (size_t)PyBytes_GET_SIZE(part);
    PyErr_Format(PyExc_TypeError, "expected bytes or None, not %s", Py_TYPE(part)->tp_name);
    return 0;
}

static char *put_sized(char *p, PyObject *part) {
    if (part == Py_None) return put_varint(p, -1);
    size_t size = (size_t)PyBytes_GET_SIZE(part);
    p = put_varint(p, (int64_t)size);
    memcpy(p, PyBytes_AS_STRING(part), size);
    return p + size;
}

/* The length the record of this pair says it has; 0 and an exception when it is no pair. */
static size_t record_length(PyObject *pair, int64_t place) {
    size_t key, value;
    if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
        PyErr_SetString(PyExc_TypeError, "expected a pair of key and value");
        return 0;
    }
    if (!(key = sized_size(PyTuple_GET_ITEM(pair, 0))) || !(value = sized_size(PyTuple_GET_ITEM(pair, 1)))) return 0;
    return 1 + 1 + varint_size(place) + key + value + 1; /* attributes, timestamp ... headers */
}

static char *put_record(char *p, PyObject *pair, int64_t place) {
    p = put_varint(p, (int64_t)record_length(pair, place));
    *p++ = 0; /* attributes */
    *p++ = 0; /* no later than the batch */
    p = put_varint(p, place);
    p = put_sized(p, PyTuple_GET_ITEM(pair, 0));
    p = put_sized(p, PyTuple_GET_ITEM(pair, 1));
    *p++ = 0; /* headers */
    return p;
}

static PyObject *write_records(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *pairs;
    Py_ssize_t start, room;
    if (!PyArg_ParseTuple(args, "O!nn", &PyList_Type, &pairs, &start, &room)) return NULL;
    if (start < 0) return PyErr_Format(PyExc_IndexError, "no such record");
    Py_ssize_t next = start;
    size_t total = 0;
    for (; next < PyList_GET_SIZE(pairs); next++) {
        size_t length = record_length(PyList_GET_ITEM(pairs, next), next - start);
        if (!length) return NULL;
        size_t size = varint_size((int64_t)length) + length;
        if (next > start && (room < 0 || total + size > (size_t)room)) break;
        total += size;
    }
    PyObject *records = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)total);
    if (!records) return NULL;
    char *p = PyBytes_AS_STRING(records);
    for (Py_ssize_t i = start; i < next; i++) p = put_record(p, PyList_GET_ITEM(pairs, i), i - start);
    return Py_BuildValue("Nn", records, next);
}

static PyMethodDef record_batch_methods[] = {
    {"write_records", write_records, METH_VARARGS, "Records of one batch; see pipeline/native.pyi."},
    {NULL}};
