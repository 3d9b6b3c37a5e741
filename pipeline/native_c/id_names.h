/* -- IdNames: names of event ids as the changelog has them: strings of MessagePack, one behind the other ----------- */

typedef struct {
    PyObject_HEAD
    char *packed;
    size_t *ends; /* of each name in `packed` */
    size_t room, places;
    Py_ssize_t count;
} IdNames;

static size_t name_start(const IdNames *self, Py_ssize_t index) { return index ? self->ends[index - 1] : 0; }

/* The head of a string or an array: behind it. `small`: up to so many a single byte says it, `word` says that. */
static char *put_msgpack_head(char *p, size_t size, size_t small, int word, const int words[3]) {
    int bytes = size <= small ? 0 : words[0] && size < 1 << 8 ? 1 : size < 1 << 16 ? 2 : 4;
    *p++ = (char)(bytes ? words[bytes / 2] : word | (int)size);
    while (bytes--) *p++ = (char)(size >> 8 * bytes);
    return p;
}

static int id_names_append(IdNames *self, const char *name, size_t size) {
    static const int words[] = {0xd9, 0xda, 0xdb};
    size_t start = name_start(self, self->count), least = start + size + 5;
    if (least > self->room) {
        char *packed = PyMem_RawRealloc(self->packed, least * 2);
        if (!packed) return PyErr_NoMemory(), -1;
        self->packed = packed;
        self->room = least * 2;
    }
    if ((size_t)self->count == self->places) {
        size_t *ends = PyMem_RawRealloc(self->ends, (self->places * 2 + 64) * sizeof *ends);
        if (!ends) return PyErr_NoMemory(), -1;
        self->ends = ends;
        self->places = self->places * 2 + 64;
    }
    char *p = put_msgpack_head(self->packed + start, size, 31, 0xa0, words);
    memcpy(p, name, size);
    self->ends[self->count++] = (size_t)(p + size - self->packed);
    return 0;
}

static PyObject *IdNames_append(IdNames *self, PyObject *name) {
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(name, &size);
    if (!text || id_names_append(self, text, (size_t)size) < 0) return NULL;
    Py_RETURN_NONE;
}

static PyObject *IdNames_packed(IdNames *self, PyObject *args) {
    static const int words[] = {0, 0xdc, 0xdd};
    Py_ssize_t start, stop;
    if (!PyArg_ParseTuple(args, "nn", &start, &stop)) return NULL;
    if (start < 0 || stop < start || stop > self->count) return PyErr_Format(PyExc_IndexError, "no such names");
    char head[5];
    size_t head_size = (size_t)(put_msgpack_head(head, (size_t)(stop - start), 15, 0x90, words) - head);
    size_t from = name_start(self, start), size = name_start(self, stop) - from;
    PyObject *packed = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(head_size + size));
    if (!packed) return NULL;
    memcpy(PyBytes_AS_STRING(packed), head, head_size);
    if (size) memcpy(PyBytes_AS_STRING(packed) + head_size, self->packed + from, size);
    return packed;
}

static PyObject *IdNames_drop(IdNames *self, PyObject *args) {
    Py_ssize_t count;
    if (!PyArg_ParseTuple(args, "n", &count)) return NULL;
    if (count < 0 || count > self->count) return PyErr_Format(PyExc_IndexError, "no such names");
    size_t dropped = name_start(self, count), size = name_start(self, self->count) - dropped;
    if (dropped && size) memmove(self->packed, self->packed + dropped, size);
    for (Py_ssize_t i = count; i < self->count; i++) self->ends[i - count] = self->ends[i] - dropped;
    self->count -= count;
    Py_RETURN_NONE;
}

static Py_ssize_t IdNames_len(IdNames *self) { return self->count; }

static PyObject *IdNames_item(IdNames *self, Py_ssize_t index) {
    if (index < 0 || index >= self->count) return PyErr_Format(PyExc_IndexError, "no such name");
    const unsigned char *p = (const unsigned char *)self->packed + name_start(self, index);
    size_t head = *p == 0xd9 ? 2 : *p == 0xda ? 3 : *p == 0xdb ? 5 : 1;
    return PyUnicode_FromStringAndSize((const char *)p + head, (Py_ssize_t)(self->ends[index] - name_start(self, index) - head));
}

static PyObject *IdNames_new(PyTypeObject *type, PyObject *args, PyObject *options) {
    return PyArg_ParseTuple(args, "") ? type->tp_alloc(type, 0) : NULL;
}

static void IdNames_dealloc(IdNames *self) {
    PyMem_RawFree(self->packed);
    PyMem_RawFree(self->ends);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef IdNames_methods[] = {
    {"append", (PyCFunction)IdNames_append, METH_O, "See pipeline.id_names.IdNames."},
    {"packed", (PyCFunction)IdNames_packed, METH_VARARGS, "See pipeline.id_names.IdNames."},
    {"drop", (PyCFunction)IdNames_drop, METH_VARARGS, "See pipeline.id_names.IdNames."},
    {NULL}};
static PySequenceMethods IdNames_sequence = {.sq_length = (lenfunc)IdNames_len, .sq_item = (ssizeargfunc)IdNames_item};
static PyTypeObject IdNamesType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "pipeline.native.IdNames",
    .tp_doc = "Names of event ids as the changelog has them.",
    .tp_basicsize = sizeof(IdNames),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = IdNames_new,
    .tp_dealloc = (destructor)IdNames_dealloc,
    .tp_methods = IdNames_methods,
    .tp_as_sequence = &IdNames_sequence,
};
