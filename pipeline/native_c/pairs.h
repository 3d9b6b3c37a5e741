/* Pairs of key and value that are records of batches already: written once, where they will be read from.
 *
 * A block is what write_records makes of a list, the records of one batch; when the next record would not fit, the next
 * block begins. What a producer does to a block afterwards is its own affair.
 */

enum { FIRST_BYTES = 2048 };

typedef struct { PyObject *bytes; size_t size; int32_t count, is_packed; } Block; /* bytes: may have more room than `size` */

typedef struct {
    PyObject_HEAD
    Block *at;
    Py_ssize_t blocks, block_room, count; /* count: of the pairs */
    size_t most; /* bytes of a block that holds more than one record */
    PyObject *pack; /* what compresses a block that is full; None: nothing does */
    PyObject *spare; /* room of a block that was compressed */
} Pairs;

static PyTypeObject PairsType;

typedef struct { const char *at; Py_ssize_t size; } Part; /* size -1: None */

static size_t part_size(Part part) { return varint_size(part.size) + (part.size < 0 ? 0 : (size_t)part.size); }

static char *put_part(char *p, Part part) {
    p = put_varint(p, part.size);
    if (part.size <= 0) return p;
    memcpy(p, part.at, (size_t)part.size);
    return p + part.size;
}

/* The last block is full. It is compressed while it is at hand, and its room is used again: what a flush writes would
 * otherwise be touched for the first time, and page by page handed out and taken back. */
static int pack_block(Pairs *self) {
    Block *block = &self->at[self->blocks - 1];
    if (self->pack == Py_None) return 0;
    Py_ssize_t room = PyBytes_GET_SIZE(block->bytes);
    Py_SET_SIZE(block->bytes, (Py_ssize_t)block->size); /* as long as it is shown: to make it shorter is to move it */
    PyBytes_AS_STRING(block->bytes)[block->size] = 0;
    PyObject *packed = PyObject_CallOneArg(self->pack, block->bytes);
    int is_ours = Py_REFCNT(block->bytes) == 1;
    if (is_ours) Py_SET_SIZE(block->bytes, room);
    if (!packed || !PyBytes_Check(packed)) {
        if (packed) PyErr_SetString(PyExc_TypeError, "a packed block is bytes");
        Py_XDECREF(packed);
        return -1;
    }
    if (is_ours) Py_XSETREF(self->spare, block->bytes);
    else Py_DECREF(block->bytes); /* whoever keeps it has it as it was shown */
    *block = (Block){packed, (size_t)PyBytes_GET_SIZE(packed), block->count, 1};
    return 0;
}

/* The bytes of a block as records, a new reference. */
static PyObject *block_records(const Block *block) {
    if (!block->is_packed) return Py_NewRef(block->bytes);
    PyObject *found = lz4_decoded((const unsigned char *)PyBytes_AS_STRING(block->bytes), block->size);
    if (!found && !PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "what packed the block wrote no frame of LZ4");
    return found;
}

static size_t records_size(const Block *block, const PyObject *records) {
    return block->is_packed ? (size_t)PyBytes_GET_SIZE(records) : block->size;
}

/* Room for a block of so many bytes, which may be more than there was; -1 with an exception. */
static int block_of(Pairs *self, size_t bytes) {
    if (self->blocks == self->block_room) {
        Py_ssize_t room = self->block_room * 2 + 4;
        Block *at = PyMem_RawRealloc(self->at, (size_t)room * sizeof *at);
        if (!at) return PyErr_NoMemory(), -1;
        self->at = at;
        self->block_room = room;
    }
    PyObject *made = self->spare ? self->spare : PyBytes_FromStringAndSize(NULL, (Py_ssize_t)bytes);
    self->spare = NULL;
    if (!made) return -1;
    self->at[self->blocks++] = (Block){made, 0, 0, 0};
    return 0;
}

static int grow_block(Pairs *self, Block *block, size_t needed) {
    size_t room = (size_t)PyBytes_GET_SIZE(block->bytes);
    if (needed <= room) return 0;
    room = room * 4 > self->most ? self->most : room * 4;
    if (room < needed) room = needed;
    PyObject *bytes = block->bytes;
    block->bytes = NULL;
    if (_PyBytes_Resize(&bytes, (Py_ssize_t)room) == 0) return block->bytes = bytes, 0;
    self->count -= block->count; /* what was in it is lost: whoever is told so throws all of this away */
    self->blocks--;
    return -1;
}

/* -1 with an exception. */
static int put_pair(Pairs *self, Part key, Part value) {
    size_t fixed = 1 + 1 + part_size(key) + part_size(value) + 1, length, size; /* attributes, timestamp ... headers */
    Block *block = self->blocks ? &self->at[self->blocks - 1] : NULL;
    int32_t place = block ? block->count : 0;
    length = fixed + varint_size(place);
    size = varint_size((int64_t)length) + length;
    if (!block || (place && block->size + size > self->most)) {
        length = fixed + varint_size(place = 0);
        size = varint_size((int64_t)length) + length;
        if (block && pack_block(self) < 0) return -1;
        size_t room = block ? self->most : FIRST_BYTES; /* whoever needs a second block needs all of it */
        if (block_of(self, room > size ? room : size) < 0) return -1;
        block = &self->at[self->blocks - 1];
    }
    if (grow_block(self, block, block->size + size) < 0) return -1;
    char *p = put_varint(PyBytes_AS_STRING(block->bytes) + block->size, (int64_t)length);
    *p++ = 0; /* attributes */
    *p++ = 0; /* no later than the batch */
    p = put_part(put_part(put_varint(p, place), key), value);
    *p = 0; /* headers */
    block->size += size;
    block->count++;
    self->count++;
    return 0;
}

static PyObject *Pairs_new(PyTypeObject *type, PyObject *args, PyObject *options) {
    Py_ssize_t most;
    PyObject *pack = Py_None;
    if (!PyArg_ParseTuple(args, "n|O", &most, &pack)) return NULL;
    Pairs *self = (Pairs *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    self->most = most < 0 ? 0 : (size_t)most;
    self->pack = Py_NewRef(pack);
    return (PyObject *)self;
}

static void Pairs_dealloc(Pairs *self) {
    for (Py_ssize_t i = 0; i < self->blocks; i++) Py_XDECREF(self->at[i].bytes);
    PyMem_RawFree(self->at);
    Py_XDECREF(self->pack);
    Py_XDECREF(self->spare);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static Py_ssize_t Pairs_len(Pairs *self) { return self->count; }

static int part_of_object(PyObject *object, Part *part) {
    if (object == Py_None) return part->at = NULL, part->size = -1, 0;
    if (!PyBytes_Check(object)) return PyErr_Format(PyExc_TypeError, "expected bytes or None, not %s", Py_TYPE(object)->tp_name), -1;
    *part = (Part){PyBytes_AS_STRING(object), PyBytes_GET_SIZE(object)};
    return 0;
}

static int put_object(Pairs *self, PyObject *pair) {
    Part key, value;
    if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) return PyErr_SetString(PyExc_TypeError, "expected a pair of key and value"), -1;
    return part_of_object(PyTuple_GET_ITEM(pair, 0), &key) < 0 || part_of_object(PyTuple_GET_ITEM(pair, 1), &value) < 0 ? -1 : put_pair(self, key, value);
}

static PyObject *Pairs_append(Pairs *self, PyObject *pair) {
    if (put_object(self, pair) < 0) return NULL;
    Py_RETURN_NONE;
}

/* The pairs of another, with so much behind each key that is none. */
static int put_all(Pairs *self, const Pairs *from, Part suffix) {
    Buffer name = {0};
    int failed = 0;
    for (Py_ssize_t i = 0; !failed && i < from->blocks; i++) {
        PyObject *records = block_records(&from->at[i]);
        if ((failed = !records)) break;
        const char *p = PyBytes_AS_STRING(records), *end = p + records_size(&from->at[i], records);
        Place place;
        while (!failed && p < end && (p = read_record(p, end, 0, 0, &place))) {
            Part key = {place.key.at, place.key.size}, value = {place.value.at, place.value.size};
            if (suffix.size > 0 && key.size >= 0) {
                name.size = 0;
                if ((failed = put_bytes(&name, key.at, (size_t)key.size) < 0 || put_bytes(&name, suffix.at, (size_t)suffix.size) < 0)) break;
                key = (Part){name.at, (Py_ssize_t)name.size};
            }
            failed = put_pair(self, key, value) < 0;
        }
        Py_DECREF(records);
    }
    PyMem_RawFree(name.at);
    return failed ? -1 : 0;
}

static PyObject *Pairs_extend(Pairs *self, PyObject *args) {
    PyObject *more, *iterator, *pair;
    Part suffix = {NULL, 0};
    if (!PyArg_ParseTuple(args, "O|y#", &more, &suffix.at, &suffix.size)) return NULL;
    if (Py_IS_TYPE(more, &PairsType) && more != (PyObject *)self) {
        if (put_all(self, (Pairs *)more, suffix) < 0) return NULL;
        Py_RETURN_NONE;
    }
    if (suffix.size) return PyErr_Format(PyExc_TypeError, "only other Pairs get a suffix");
    if (!(iterator = PyObject_GetIter(more))) return NULL;
    int failed = 0;
    while (!failed && (pair = PyIter_Next(iterator))) {
        failed = put_object(self, pair) < 0;
        Py_DECREF(pair);
    }
    Py_DECREF(iterator);
    if (PyErr_Occurred()) return NULL;
    Py_RETURN_NONE;
}

static PyObject *Pairs_listed(Pairs *self) {
    PyObject *list = PyList_New(0);
    for (Py_ssize_t i = 0; list && i < self->blocks; i++) {
        PyObject *records = block_records(&self->at[i]);
        if (!records) {
            Py_CLEAR(list);
            break;
        }
        const char *p = PyBytes_AS_STRING(records), *end = p + records_size(&self->at[i], records);
        Place place;
        while (list && p < end && (p = read_record(p, end, 0, 0, &place))) {
            PyObject *key = bytes_or_none(place.key), *value = bytes_or_none(place.value);
            PyObject *pair = key && value ? PyTuple_Pack(2, key, value) : NULL;
            int failed = !pair || PyList_Append(list, pair) < 0;
            Py_XDECREF(key);
            Py_XDECREF(value);
            Py_XDECREF(pair);
            if (failed) Py_CLEAR(list);
        }
        Py_DECREF(records);
    }
    return list;
}

static PyObject *Pairs_iter(Pairs *self) {
    PyObject *list = Pairs_listed(self), *iterator = list ? PyObject_GetIter(list) : NULL;
    Py_XDECREF(list);
    return iterator;
}

static PyObject *Pairs_drain(Pairs *self, PyObject *Py_UNUSED(args)) {
    PyObject *list = PyList_New(self->blocks);
    for (Py_ssize_t i = 0; list && i < self->blocks; i++) {
        Block *block = &self->at[i];
        PyObject *told = NULL;
        if ((size_t)PyBytes_GET_SIZE(block->bytes) == block->size || _PyBytes_Resize(&block->bytes, (Py_ssize_t)block->size) == 0)
            told = Py_BuildValue("NiO", block->bytes, (int)block->count, block->is_packed ? Py_True : Py_False);
        block->bytes = NULL;
        if (told) PyList_SET_ITEM(list, i, told);
        else Py_CLEAR(list);
    }
    for (Py_ssize_t i = 0; i < self->blocks; i++) Py_XDECREF(self->at[i].bytes);
    self->blocks = self->count = 0;
    Py_CLEAR(self->spare);
    return list;
}

static PyMethodDef Pairs_methods[] = {
    {"append", (PyCFunction)Pairs_append, METH_O, "See pipeline/native.pyi."},
    {"extend", (PyCFunction)Pairs_extend, METH_VARARGS, "See pipeline/native.pyi."},
    {"drain", (PyCFunction)Pairs_drain, METH_NOARGS, "See pipeline/native.pyi."},
    {NULL}};
static PyMemberDef Pairs_members[] = {
    {"room_bytes", T_PYSSIZET, offsetof(Pairs, most), READONLY, "Bytes of a block of more than one record."},
    {NULL}};
static PySequenceMethods Pairs_sequence = {.sq_length = (lenfunc)Pairs_len};
static PyTypeObject PairsType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "pipeline.native.Pairs",
    .tp_doc = "See pipeline/native.pyi.",
    .tp_basicsize = sizeof(Pairs),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = Pairs_new,
    .tp_dealloc = (destructor)Pairs_dealloc,
    .tp_iter = (getiterfunc)Pairs_iter,
    .tp_methods = Pairs_methods,
    .tp_members = Pairs_members,
    .tp_as_sequence = &Pairs_sequence,
};
