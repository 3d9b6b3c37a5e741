/* pipeline.native.Copies: see pipeline/copies.py for what its methods do. */

typedef struct { const char *at, *end; int32_t count; } Stretch;

static PyObject *Copies_new(PyTypeObject *type, PyObject *args, PyObject *options) {
    PyObject *is_newer;
    if (!PyArg_ParseTuple(args, "O", &is_newer)) return NULL;
    Copies *self = (Copies *)type->tp_alloc(type, 0);
    if (self) self->is_newer = Py_NewRef(is_newer);
    return (PyObject *)self;
}

static void free_copies(Copies *self) {
    PyMem_RawFree(self->block);
    PyMem_RawFree(self->at);
    PyMem_RawFree(self->index);
    self->block = NULL;
    self->at = NULL;
    self->index = NULL;
    self->used = self->size = self->wasted = self->slots = 0;
    self->count = self->room = self->left = 0;
}

static void Copies_dealloc(Copies *self) {
    free_copies(self);
    free_words(&self->names);
    free_words(&self->sets);
    PyMem_RawFree(self->numbers);
    PyMem_RawFree(self->holders);
    Py_XDECREF(self->is_newer);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static Py_ssize_t Copies_len(Copies *self) { return self->left; }

/* -- reading ------------------------------------------------------------------------------------------------------- */

static int text_or_null(PyObject *bytes, Text *text) {
    *text = (Text){"", -1};
    if (bytes == Py_None) return 0;
    if (!PyBytes_Check(bytes)) return PyErr_Format(PyExc_TypeError, "expected bytes, found %R", bytes), -1;
    text->at = PyBytes_AS_STRING(bytes);
    text->size = (int32_t)PyBytes_GET_SIZE(bytes);
    return 0;
}

static int read_record_object(Copies *self, PyObject *record) {
    PyObject *key = PyObject_GetAttr(record, s_key), *value = PyObject_GetAttr(record, s_value);
    Text whole, text;
    int code = !key || !value || text_or_null(key, &whole) < 0 || text_or_null(value, &text) < 0
                   ? RAISED : read_copy(self, whole, text);
    Py_XDECREF(key);
    Py_XDECREF(value);
    return as_exception(code);
}

static PyObject *Copies_read(Copies *self, PyObject *records) {
    PyObject *each = PyObject_GetIter(records), *record;
    if (!each) return NULL;
    while ((record = PyIter_Next(each))) {
        int code = read_record_object(self, record);
        Py_DECREF(record);
        if (code < 0) break;
    }
    Py_DECREF(each);
    if (PyErr_Occurred()) return NULL;
    Py_RETURN_NONE;
}

static int read_stretch(Copies *self, const Stretch *stretch) {
    const char *p = stretch->at;
    for (int32_t i = 0; i < stretch->count; i++) {
        Place record;
        if (!(p = read_record(p, stretch->end, 0, 0, &record))) return BROKEN;
        int code = read_copy(self, record.key, record.value);
        if (code < 0) return code;
    }
    return p == stretch->end ? 0 : BROKEN;
}

static PyObject *Copies_read_batch(Copies *self, PyObject *batch) {
    PyObject *buffer;
    Py_ssize_t start, stop;
    long long base_offset, base_ms;
    int count;
    if (!PyArg_ParseTuple(batch, "SnnLLi", &buffer, &start, &stop, &base_offset, &base_ms, &count)) return NULL;
    int code = BROKEN;
    if (start >= 0 && stop >= start && stop <= PyBytes_GET_SIZE(buffer) && count >= 0) {
        const char *bytes = PyBytes_AS_STRING(buffer);
        Stretch stretch = {bytes + start, bytes + stop, count};
        Py_INCREF(buffer);
        self->resting = PyEval_SaveThread();
        code = read_stretch(self, &stretch);
        PyEval_RestoreThread(self->resting);
        self->resting = NULL;
        Py_DECREF(buffer);
    }
    if (as_exception(code) < 0) return NULL;
    Py_RETURN_NONE;
}

/* -- rows ---------------------------------------------------------------------------------------------------------- */

static PyObject *key_of(const Copies *self, const Copy *copy) {
    return PyBytes_FromStringAndSize(self->block + copy->at, copy->key_size);
}

static PyObject *value_of(const Copies *self, const Copy *copy) {
    return PyBytes_FromStringAndSize(self->block + copy->at + copy->key_size, copy->value_size);
}

static PyObject *Copies_pick(Copies *self, PyObject *object) {
    Text key;
    if (text_or_null(object, &key) < 0) return NULL;
    int32_t number = key.size < 0 ? -1 : find_copy(self, key, hash_of(key.at, (size_t)key.size).a);
    if (number < 0 || self->at[number].state != NEWEST) Py_RETURN_NONE;
    self->at[number].state = PICKED;
    return value_of(self, &self->at[number]);
}

/* The next (key, value) from `*position` on, taken out; NULL at the end, or with an exception. */
static PyObject *next_copy(Copies *self, int32_t *position) {
    while (*position < self->count) {
        Copy *copy = &self->at[(*position)++];
        if (copy->state != NEWEST) continue;
        copy->state = PICKED;
        return Py_BuildValue("NN", key_of(self, copy), value_of(self, copy));
    }
    return NULL;
}

typedef struct { PyObject_HEAD Copies *copies; int32_t position; } Drain;

static void Drain_dealloc(Drain *self) {
    Py_DECREF(self->copies);
    PyObject_Free(self);
}

static PyObject *Drain_next(Drain *self) { return next_copy(self->copies, &self->position); }

static PyTypeObject DrainType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "pipeline.native.Drain",
    .tp_doc = "What Copies.drain gives.",
    .tp_basicsize = sizeof(Drain),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = (destructor)Drain_dealloc,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = (iternextfunc)Drain_next,
};

static PyObject *Copies_drain(Copies *self, PyObject *nothing) {
    Drain *drain = PyObject_New(Drain, &DrainType);
    if (!drain) return NULL;
    drain->copies = (Copies *)Py_NewRef(self);
    drain->position = 0;
    return (PyObject *)drain;
}

static PyObject *Copies_keys(Copies *self, PyObject *nothing) {
    PyObject *keys = PyList_New(0);
    for (int32_t number = 0; keys && number < self->count; number++) {
        if (self->at[number].state == GONE) continue;
        PyObject *key = key_of(self, &self->at[number]);
        if (!key || PyList_Append(keys, key) < 0) Py_CLEAR(keys);
        Py_XDECREF(key);
    }
    return keys;
}

/* -- old copies ---------------------------------------------------------------------------------------------------- */

static PyObject *Copies_forget_keys(Copies *self, PyObject *nothing) {
    size_t slots = LEAST_SLOTS;
    int32_t left = self->left, several = 0, only = 0;
    if (self->numbers) Py_RETURN_NONE;
    while (slots * 3 < (size_t)left * 4) slots *= 2;
    for (int32_t number = 0, seen = 0; number < self->count; number++) {
        if (self->at[number].state == GONE) continue;
        if (!seen++) only = self->at[number].holder;
        several |= self->at[number].holder != only;
    }
    uint64_t *numbers = PyMem_RawCalloc(slots, sizeof *numbers);
    int32_t *holders = several ? PyMem_RawMalloc(slots * sizeof *holders) : NULL;
    if (!numbers || (several && !holders)) {
        PyMem_RawFree(numbers);
        PyMem_RawFree(holders);
        return PyErr_NoMemory();
    }
    for (int32_t number = 0; number < self->count; number++) {
        const Copy *copy = &self->at[number];
        if (copy->state == GONE) continue;
        size_t slot = copy->hash & (slots - 1);
        while (numbers[slot]) slot = (slot + 1) & (slots - 1);
        numbers[slot] = copy->hash > TAKEN ? copy->hash : copy->hash + 2;
        if (holders) holders[slot] = copy->holder;
    }
    size_t freed = self->size;
    free_copies(self);
#ifdef __GLIBC__
    if (freed > LEAST_WASTE) malloc_trim(0); /* it would keep some of it for whoever asks next, and nobody does */
#endif
    self->numbers = numbers;
    self->holders = holders;
    self->only_holder = only;
    self->number_slots = slots;
    self->left = left;
    Py_RETURN_NONE;
}

/* The holder of a key that is known here, which is forgotten; 0 when it is not. */
static int take_holder(Copies *self, Text key, int32_t *holder) {
    uint64_t hash = hash_of(key.at, (size_t)key.size).a;
    if (!self->numbers) {
        int32_t number = find_copy(self, key, hash);
        if (number < 0) return 0;
        self->at[number].state = GONE;
        *holder = self->at[number].holder;
    } else {
        uint64_t wanted = hash > TAKEN ? hash : hash + 2;
        size_t slot = hash & (self->number_slots - 1);
        for (; self->numbers[slot] != wanted; slot = (slot + 1) & (self->number_slots - 1))
            if (self->numbers[slot] == EMPTY) return 0;
        self->numbers[slot] = TAKEN;
        *holder = self->holders ? self->holders[slot] : self->only_holder;
    }
    self->left--;
    return 1;
}

static PyObject *Copies_take(Copies *self, PyObject *object) {
    Text key;
    int32_t alone;
    if (text_or_null(object, &key) < 0) return NULL;
    if (key.size < 0 || !take_holder(self, key, &alone)) return PyTuple_New(0);
    const int32_t *names = &alone;
    int32_t count = alone < 0 ? holders_of(self, alone, &names) : 1;
    PyObject *taken = PyTuple_New(count);
    for (int32_t i = 0; taken && i < count; i++) {
        const Word *name = &self->names.at[names[i]];
        PyObject *bytes = PyBytes_FromStringAndSize(name->bytes, name->size);
        if (bytes) PyTuple_SET_ITEM(taken, i, bytes);
        else Py_CLEAR(taken);
    }
    return taken;
}

static PyMethodDef Copies_methods[] = {
    {"read", (PyCFunction)Copies_read, METH_O, "Take records in order."},
    {"read_batch", (PyCFunction)Copies_read_batch, METH_O, "Take the records of one batch; others run meanwhile."},
    {"pick", (PyCFunction)Copies_pick, METH_O, "The value of one key, taken out; None when there is none."},
    {"drain", (PyCFunction)Copies_drain, METH_NOARGS, "Every key and value that is left, taken out one by one."},
    {"keys", (PyCFunction)Copies_keys, METH_NOARGS, "Keys of which there are copies."},
    {"forget_keys", (PyCFunction)Copies_forget_keys, METH_NOARGS, "Keep only what `take` needs."},
    {"take", (PyCFunction)Copies_take, METH_O, "Who holds copies of a row; () from the second time on."},
    {NULL}};
static PySequenceMethods Copies_sequence = {.sq_length = (lenfunc)Copies_len};
static PyTypeObject CopiesType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "pipeline.native.Copies",
    .tp_doc = "The newest copy of every row of a changelog, and who holds copies.",
    .tp_basicsize = sizeof(Copies),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = Copies_new,
    .tp_dealloc = (destructor)Copies_dealloc,
    .tp_methods = Copies_methods,
    .tp_as_sequence = &Copies_sequence,
};
