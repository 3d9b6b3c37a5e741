/* Panes as Python sees them. */

/* The campaign and the ad that Python speaks of; the text lives as long as the objects. */
static int whom(Panes *self, PyObject *object, PyObject *ad_id, Campaign **campaign, Text *ad) {
    PyObject *key = PyObject_GetAttr(object, s_key);
    Text name;
    if (!key) return -1;
    int failed = text_of(key, &name);
    *campaign = failed ? NULL : find_campaign(&self->campaigns, name.at, (size_t)name.size);
    Py_DECREF(key);
    if (failed) return -1;
    ad->at = NULL;
    ad->size = -1;
    if (ad_id != Py_None && text_of(ad_id, ad) < 0) return -1;
    return 0;
}

static PyObject *Panes_add(Panes *self, PyObject *args) {
    PyObject *object, *ad_id, *added;
    long long minute_ms, offset, timestamp_ms;
    Campaign *campaign;
    Text ad;
    int64_t gained[MEASURES];
    if (!PyArg_ParseTuple(args, "OOLLLO", &object, &ad_id, &minute_ms, &offset, &timestamp_ms, &added)) return NULL;
    if (whom(self, object, ad_id, &campaign, &ad) < 0) return NULL;
    if (!campaign) return PyErr_Format(PyExc_KeyError, "a campaign that was not learnt");
    PyObject *list = PySequence_Fast(added, "measures are a sequence");
    if (!list) return NULL;
    for (int i = 0; i < MEASURES; i++)
        gained[i] = i < PySequence_Fast_GET_SIZE(list) ? PyLong_AsLongLong(PySequence_Fast_GET_ITEM(list, i)) : 0;
    Py_DECREF(list);
    if (PyErr_Occurred()) return NULL;
    int32_t number = entry_of(&self->entries, campaign, ad, minute_ms);
    if (number < 0) return NULL;
    for (; number >= 0; number = self->entries.at[number].whole) {
        touch(&self->entries, number, offset, timestamp_ms);
        for (int i = 0; i < MEASURES; i++)
            if (__builtin_add_overflow(self->entries.at[number].measures[i], gained[i], &self->entries.at[number].measures[i]))
                self->entries.at[number].measures[i] = INT64_MAX; /* schemas.measures.MOST */
    }
    Py_RETURN_NONE;
}

static PyObject *Panes_holds(Panes *self, PyObject *args) {
    PyObject *object, *ad_id;
    long long minute_ms;
    Campaign *campaign;
    Text ad;
    if (!PyArg_ParseTuple(args, "OOL", &object, &ad_id, &minute_ms)) return NULL;
    if (whom(self, object, ad_id, &campaign, &ad) < 0) return NULL;
    return PyBool_FromLong(campaign && find_entry(&self->entries, campaign, ad, minute_ms, entry_hash(campaign->hash, ad, minute_ms)) >= 0);
}

static PyObject *Panes_drain(Panes *self, PyObject *args) {
    long long over_ms;
    if (!PyArg_ParseTuple(args, "L", &over_ms)) return NULL;
    PyObject *list = PyList_New(0);
    self->entries.drains++;
    if (!list || drain_into(&self->entries, list) < 0 || forget_over(&self->entries, over_ms) < 0) {
        Py_XDECREF(list);
        return NULL;
    }
    return list;
}

static Py_ssize_t Panes_len(Panes *self) { return self->entries.touched_count; }

static PyObject *Panes_new(PyTypeObject *type, PyObject *args, PyObject *options) {
    PyObject *memory, *pane_type, *campaign_type, *zone_reason;
    if (!PyArg_ParseTuple(args, "O!O!O!O", &IdMemoryType, &memory, &PyType_Type, &pane_type, &PyType_Type, &campaign_type,
                          &zone_reason)) return NULL;
    Panes *self = (Panes *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    self->memory = (IdMemory *)Py_NewRef(memory);
    self->entries.pane_type = Py_NewRef(pane_type);
    self->entries.oldest_ms = self->entries.first_ms = NEVER;
    self->entries.index_slots = 64;
    if (!(self->entries.index = PyMem_RawMalloc(64 * sizeof *self->entries.index))) PyErr_NoMemory();
    if (!self->entries.index || grow_campaigns(&self->campaigns) < 0 || begin_firsts(&self->firsts, campaign_type, zone_reason) < 0 ||
        !(self->refused = PyList_New(0))) {
        Py_DECREF(self);
        return NULL;
    }
    memset(self->entries.index, 0xff, 64 * sizeof *self->entries.index);
    return (PyObject *)self;
}

static void Panes_dealloc(Panes *self) {
    for (int32_t number = 0; number < self->entries.count; number++) Py_XDECREF(self->entries.at[number].pane);
    for (size_t slot = 0; self->campaigns.slots && slot < self->campaigns.slot_count; slot++) campaign_free(self->campaigns.slots[slot].campaign);
    end_firsts(&self->firsts);
    PyMem_RawFree(self->campaigns.slots);
    PyMem_RawFree(self->entries.at);
    PyMem_RawFree(self->entries.index);
    PyMem_RawFree(self->entries.touched);
    Py_XDECREF(self->memory);
    Py_XDECREF(self->refused);
    Py_XDECREF(self->entries.pane_type);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef Panes_methods[] = {
    {"learn", (PyCFunction)Panes_learn, METH_VARARGS, "See pipeline.counted_panes.PaneStore."},
    {"count", (PyCFunction)Panes_count, METH_VARARGS, "See pipeline.counted_panes.PaneStore."},
    {"add", (PyCFunction)Panes_add, METH_VARARGS, "See pipeline.counted_panes.PaneStore."},
    {"holds", (PyCFunction)Panes_holds, METH_VARARGS, "See pipeline.counted_panes.PaneStore."},
    {"drain", (PyCFunction)Panes_drain, METH_VARARGS, "See pipeline.counted_panes.PaneStore."},
    {NULL}};
static PyMemberDef Panes_members[] = {
    {"counted", T_LONGLONG, offsetof(Panes, counted), 0, "Records counted, repeats among them."},
    {"repeated", T_LONGLONG, offsetof(Panes, repeated), 0, "Records whose id was known."},
    {"campaigns", T_OBJECT_EX, offsetof(Panes, firsts.known), READONLY, "All that were learnt, by the key of their records."},
    {"firsts", T_OBJECT_EX, offsetof(Panes, firsts.keys), READONLY, "Keys of campaigns whose first event was counted here."},
    {"refused", T_OBJECT_EX, offsetof(Panes, refused), READONLY, "Records that are refused, in order."},
    {"oldest_ms", T_LONGLONG, offsetof(Panes, entries.oldest_ms), READONLY, "Earliest minute not drained."},
    {NULL}};
static PySequenceMethods Panes_sequence = {.sq_length = (lenfunc)Panes_len};
static PyTypeObject PanesType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "pipeline.native.Panes",
    .tp_doc = "Implements pipeline.counted_panes.PaneStore.",
    .tp_basicsize = sizeof(Panes),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = Panes_new,
    .tp_dealloc = (destructor)Panes_dealloc,
    .tp_methods = Panes_methods,
    .tp_members = Panes_members,
    .tp_as_sequence = &Panes_sequence,
};
