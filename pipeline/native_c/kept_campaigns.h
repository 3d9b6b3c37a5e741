/* Campaigns of the changelog, and everything of it in order: pipeline.counted_restore.RowsInC. */

static int is_ascii(Text text) {
    unsigned char bits = 0;
    for (int32_t at = 0; at < text.size; at++) bits |= (unsigned char)text.at[at];
    return bits < 0x80;
}

/* 1: learnt; 0: not plainly a campaign; -1: an exception. */
static int learn_kept(Restoring *self, Text whole, Text value) {
    static const char prefix[] = "\0campaign|";
    const int32_t begin = sizeof prefix - 1;
    int64_t count, order;
    Text texts[STRINGS], key = {whole.at + begin, whole.size - begin};
    const char *p = value.at, *end = value.at + value.size;
    if (key.size <= 0 || memcmp(whole.at, prefix, (size_t)begin) != 0 || !is_ascii(key)) return 0;
    if (!(p = msgpack_array(p, end, &count)) || count != 3 || !(p = msgpack_int(p, end, &order))) return 0;
    if (!(p = msgpack_string(p, end, &texts[ZONE_OF])) || !(p = msgpack_string(p, end, &texts[CURRENCY_OF])) || p != end) return 0;
    if (!is_ascii(texts[ZONE_OF]) || !is_ascii(texts[CURRENCY_OF])) return 0;
    const char *stop = key.at + key.size, *account = memchr(key.at, ':', (size_t)key.size);
    const char *id = account ? memchr(account + 1, ':', (size_t)(stop - account - 1)) : NULL;
    if (!id) return 0;
    texts[PLATFORM_OF] = (Text){key.at, (int32_t)(account - key.at)};
    texts[ACCOUNT_OF] = (Text){account + 1, (int32_t)(id - account - 1)};
    texts[ID_OF] = (Text){id + 1, (int32_t)(stop - id - 1)};
    PyObject *campaign = campaign_object(self->campaign_type, key, texts, self->texts), *name = PyBytes_FromStringAndSize(key.at, key.size), *told = NULL;
    if (campaign && name) told = PyObject_CallFunctionObjArgs(self->learn, name, campaign, NULL);
    Py_XDECREF(campaign);
    Py_XDECREF(name);
    Py_XDECREF(told);
    return told ? 1 : -1;
}

/* -- all of it ------------------------------------------------------------------------------------------------------- */

static int give_to_python(const Restoring *self, Text key, Text value) {
    PyObject *told = PyObject_CallMethod(self->to, "other", "y#y#", key.at, (Py_ssize_t)key.size, value.at, (Py_ssize_t)value.size);
    Py_XDECREF(told);
    return told ? 0 : -1;
}

static int place_all(Restoring *self, Copies *copies) {
    for (int32_t number = 0; number < copies->count; number++) {
        Copy *copy = &copies->at[number];
        if (number % BREATH == BREATH - 1) { /* other threads wait for no more than this */
            Py_BEGIN_ALLOW_THREADS
            Py_END_ALLOW_THREADS
        }
        if (copy->state != NEWEST) continue;
        KeptRow row;
        Text key = {copies->block + copy->at, copy->key_size}, value = {key.at + key.size, copy->value_size};
        copy->state = PICKED;
        int code = read_kept_row(key, value, &row) ? place_row(self, &row) : learn_kept(self, key, value);
        if (code < 0 || (code == 0 && give_to_python(self, key, value) < 0)) return -1;
    }
    return 0;
}

static void free_restoring(Restoring *self) {
    for (int32_t number = 0; number < self->places.count && number < self->placed_room; number++) {
        Py_XDECREF(self->placed[number].slot);
        Py_XDECREF(self->placed[number].rows);
    }
    for (size_t slot = 0; slot < self->named_slots; slot++) Py_XDECREF(self->named[slot].name);
    for (int i = 0; i < MAX_KEPT; i++) Py_XDECREF(self->measures[i].object);
    Py_XDECREF(self->order.object);
    Py_XDECREF(self->as_of.object);
    for (int i = 0; i < STRINGS; i++) Py_XDECREF(self->texts[i].string);
    Py_XDECREF(self->campaign_type);
    Py_XDECREF(self->learn);
    Py_XDECREF(self->campaigns);
    Py_XDECREF(self->corrected);
    PyMem_RawFree(self->placed);
    PyMem_RawFree(self->named);
    free_words(&self->places);
}

static PyObject *place_rows(PyObject *module, PyObject *args) {
    PyObject *copies;
    int bits;
    Restoring self = {.furthest = -1};
    if (!PyArg_ParseTuple(args, "O!Oi", &CopiesType, &copies, &self.to, &bits)) return NULL;
    self.offset_mask = ((int64_t)1 << bits) - 1;
    self.campaigns = PyObject_GetAttrString(self.to, "campaigns");
    self.learn = PyObject_GetAttrString(self.to, "learn");
    self.campaign_type = (PyTypeObject *)PyObject_GetAttrString(self.to, "campaign_type");
    self.corrected = PyList_New(0);
    PyObject *found = NULL;
    if (!self.campaigns || !self.learn || !self.campaign_type || !self.corrected) found = NULL;
    else if (!PyDict_Check(self.campaigns) || !PyType_Check(self.campaign_type))
        PyErr_SetString(PyExc_TypeError, "campaigns are a dict, and campaign_type is their type");
    else if (place_all(&self, (Copies *)copies) == 0)
        found = Py_BuildValue("OL", self.corrected, (long long)self.furthest);
    free_restoring(&self);
    return found;
}
