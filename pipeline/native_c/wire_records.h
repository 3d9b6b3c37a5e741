/* Records as they came over the wire: looked at where they lie, and objects only when somebody asks for one.
 *
 * The form of a record is that of Kafka's message format, version 2: varints in zig-zag, of length, attributes, timestamp
 * and offset as differences to the batch, key, value and headers, each with its size before it, -1 for null.
 */

typedef struct { int64_t offset, timestamp_ms; Text key, value; } Place;

typedef struct {
    PyObject_HEAD
    PyObject *buffers; /* what holds the bytes that the places point into */
    Place *at;
    Py_ssize_t count, size; /* size: bytes of the batches and of the places */
} WireRecords;

static PyTypeObject WireRecordsType;

typedef struct { PyObject_HEAD PyObject *offset, *timestamp, *key, *value; } WireRecord;

static void WireRecord_dealloc(WireRecord *self) {
    Py_XDECREF(self->offset);
    Py_XDECREF(self->timestamp);
    Py_XDECREF(self->key);
    Py_XDECREF(self->value);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMemberDef WireRecord_members[] = {
    {"offset", T_OBJECT_EX, offsetof(WireRecord, offset), READONLY, "Place in the partition."},
    {"timestamp", T_OBJECT_EX, offsetof(WireRecord, timestamp), READONLY, "Unix ms."},
    {"key", T_OBJECT_EX, offsetof(WireRecord, key), READONLY, "Bytes or None."},
    {"value", T_OBJECT_EX, offsetof(WireRecord, value), READONLY, "Bytes or None."},
    {NULL}};
static PyTypeObject WireRecordType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "pipeline.native.WireRecord",
    .tp_doc = "Implements pipeline.state.SourceRecord.",
    .tp_basicsize = sizeof(WireRecord),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = (destructor)WireRecord_dealloc,
    .tp_members = WireRecord_members,
};

/* Behind the varint at `p`; NULL when it does not end in time. */
static const char *varint(const char *p, const char *end, int64_t *number) {
    uint64_t bits = 0;
    for (int shift = 0; p < end && shift < 64; shift += 7) {
        unsigned char byte = (unsigned char)*p++;
        bits |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *number = (int64_t)(bits >> 1) ^ -(int64_t)(bits & 1);
            return p;
        }
    }
    return NULL;
}

/* Behind the sized bytes at `p`, which `text` becomes. */
static const char *sized(const char *p, const char *end, Text *text) {
    int64_t size;
    if (!(p = varint(p, end, &size)) || size < -1 || size > end - p || size > INT32_MAX) return NULL;
    text->at = p;
    text->size = (int32_t)size;
    return size < 0 ? p : p + size;
}

/* Behind the record at `p`; NULL when it is not one. */
static const char *read_record(const char *p, const char *end, int64_t base_offset, int64_t base_ms, Place *place) {
    int64_t length, later_ms, further, headers;
    if (!(p = varint(p, end, &length)) || length < 1 || length > end - p) return NULL;
    end = p + length;
    if (!(p = varint(p + 1, end, &later_ms)) || !(p = varint(p, end, &further))) return NULL;
    if (!(p = sized(p, end, &place->key)) || !(p = sized(p, end, &place->value)) || !(p = varint(p, end, &headers))) return NULL;
    place->offset = (int64_t)((uint64_t)base_offset + (uint64_t)further);
    place->timestamp_ms = (int64_t)((uint64_t)base_ms + (uint64_t)later_ms);
    return end; /* headers mean nothing to us */
}

static int read_batch(WireRecords *self, PyObject *batch) {
    PyObject *buffer;
    Py_ssize_t start, stop;
    long long base_offset, base_ms;
    int count;
    if (!PyArg_ParseTuple(batch, "SnnLLi", &buffer, &start, &stop, &base_offset, &base_ms, &count)) return -1;
    if (start < 0 || stop < start || stop > PyBytes_GET_SIZE(buffer) || count < 0 || count > stop - start) goto broken;
    Place *at = PyMem_RawRealloc(self->at, (size_t)(self->count + count + 1) * sizeof *at);
    if (!at) return PyErr_NoMemory(), -1;
    self->at = at;
    const char *p = PyBytes_AS_STRING(buffer) + start, *end = PyBytes_AS_STRING(buffer) + stop;
    for (int i = 0; i < count; i++)
        if (!(p = read_record(p, end, base_offset, base_ms, &self->at[self->count++]))) goto broken;
    self->size += stop - start + count * (Py_ssize_t)sizeof *at;
    if (p == end) return 0;
broken:
    PyErr_SetString(PyExc_ValueError, "not a batch of records");
    return -1;
}

static PyObject *WireRecords_new(PyTypeObject *type, PyObject *args, PyObject *options) {
    PyObject *batches;
    if (!PyArg_ParseTuple(args, "O!", &PyList_Type, &batches)) return NULL;
    WireRecords *self = (WireRecords *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    Py_ssize_t count = PyList_GET_SIZE(batches);
    if (!(self->buffers = PyTuple_New(count))) goto failed;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (read_batch(self, PyList_GET_ITEM(batches, i)) < 0) goto failed;
        PyTuple_SET_ITEM(self->buffers, i, Py_NewRef(PyTuple_GET_ITEM(PyList_GET_ITEM(batches, i), 0)));
    }
    return (PyObject *)self;
failed:
    Py_DECREF(self);
    return NULL;
}

static void WireRecords_dealloc(WireRecords *self) {
    PyMem_RawFree(self->at);
    Py_XDECREF(self->buffers);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static Py_ssize_t WireRecords_len(WireRecords *self) { return self->count; }

static PyObject *bytes_or_none(Text text) {
    return text.size < 0 ? Py_NewRef(Py_None) : PyBytes_FromStringAndSize(text.at, text.size);
}

static PyObject *WireRecords_item(WireRecords *self, Py_ssize_t index) {
    if (index < 0 || index >= self->count) return PyErr_Format(PyExc_IndexError, "no such record");
    const Place *place = &self->at[index];
    WireRecord *record = PyObject_New(WireRecord, &WireRecordType);
    if (!record) return NULL;
    record->offset = PyLong_FromLongLong(place->offset);
    record->timestamp = PyLong_FromLongLong(place->timestamp_ms);
    record->key = bytes_or_none(place->key);
    record->value = bytes_or_none(place->value);
    if (record->offset && record->timestamp && record->key && record->value) return (PyObject *)record;
    Py_DECREF(record);
    return NULL;
}

/* Records that follow each other in one or several of these; the batches stay as long as one of their records does. */
static WireRecords *empty_records(Py_ssize_t room) {
    WireRecords *made = (WireRecords *)WireRecordsType.tp_alloc(&WireRecordsType, 0);
    if (made && !(made->at = PyMem_RawMalloc((size_t)(room + 1) * sizeof *made->at))) {
        PyErr_NoMemory();
        Py_CLEAR(made);
    }
    return made;
}

static PyObject *part_of(const WireRecords *self, Py_ssize_t start, Py_ssize_t count) {
    WireRecords *made = empty_records(count);
    if (!made) return NULL;
    made->buffers = Py_NewRef(self->buffers);
    made->count = count;
    if (count) made->size = (self->size * count + self->count - 1) / self->count;
    memcpy(made->at, self->at + start, (size_t)count * sizeof *made->at);
    return (PyObject *)made;
}

static PyObject *WireRecords_joined(PyObject *type, PyObject *parts) {
    if (!PyList_Check(parts)) return PyErr_Format(PyExc_TypeError, "parts are a list");
    Py_ssize_t rows = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(parts); i++) {
        if (!Py_IS_TYPE(PyList_GET_ITEM(parts, i), &WireRecordsType)) return PyErr_Format(PyExc_TypeError, "a part is WireRecords");
        rows += ((WireRecords *)PyList_GET_ITEM(parts, i))->count;
    }
    WireRecords *made = empty_records(rows);
    if (!made || !(made->buffers = PyTuple_New(PyList_GET_SIZE(parts)))) return Py_XDECREF(made), NULL;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(parts); i++) {
        const WireRecords *part = (const WireRecords *)PyList_GET_ITEM(parts, i);
        PyTuple_SET_ITEM(made->buffers, i, Py_NewRef(part->buffers));
        memcpy(made->at + made->count, part->at, (size_t)part->count * sizeof *made->at);
        made->count += part->count;
        made->size += part->size;
    }
    return (PyObject *)made;
}

static PyObject *WireRecords_subscript(WireRecords *self, PyObject *place) {
    Py_ssize_t start, stop, step;
    if (!PySlice_Check(place)) {
        Py_ssize_t index = PyNumber_AsSsize_t(place, PyExc_IndexError);
        return index == -1 && PyErr_Occurred() ? NULL : WireRecords_item(self, index < 0 ? index + self->count : index);
    }
    if (PySlice_Unpack(place, &start, &stop, &step) < 0) return NULL;
    Py_ssize_t count = PySlice_AdjustIndices(self->count, &start, &stop, step);
    if (step == 1) return part_of(self, start, count);
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; list && i < count; i++) {
        PyObject *record = WireRecords_item(self, start + i * step);
        if (record) PyList_SET_ITEM(list, i, record);
        else Py_CLEAR(list);
    }
    return list;
}

static PyMethodDef WireRecords_methods[] = {
    {"joined", (PyCFunction)WireRecords_joined, METH_O | METH_STATIC, "See pipeline/native.pyi."}, {NULL}};
static PyMemberDef WireRecords_members[] = {
    {"nbytes", T_PYSSIZET, offsetof(WireRecords, size), READONLY, "Bytes these records hold, those of a part by its share."},
    {NULL}};
static PyMappingMethods WireRecords_mapping = {.mp_length = (lenfunc)WireRecords_len, .mp_subscript = (binaryfunc)WireRecords_subscript};
static PySequenceMethods WireRecords_sequence = {.sq_length = (lenfunc)WireRecords_len, .sq_item = (ssizeargfunc)WireRecords_item};
static PyTypeObject WireRecordsType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "pipeline.native.WireRecords",
    .tp_doc = "A sequence of pipeline.state.SourceRecord; see pipeline/native.pyi.",
    .tp_basicsize = sizeof(WireRecords),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = WireRecords_new,
    .tp_dealloc = (destructor)WireRecords_dealloc,
    .tp_as_sequence = &WireRecords_sequence,
    .tp_as_mapping = &WireRecords_mapping,
    .tp_methods = WireRecords_methods,
    .tp_members = WireRecords_members,
};
