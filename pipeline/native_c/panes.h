/* Panes: counts records into entries; implements pipeline.counted_panes.PaneStore. */

typedef struct {
    PyObject_HEAD
    IdMemory *memory;
    Campaigns campaigns;
    Entries entries;
    Firsts firsts;
    long long counted, repeated;
} Panes;

static PyObject *s_offset, *s_timestamp, *s_value, *s_hour, *s_names;

static PyObject *Panes_learn(Panes *self, PyObject *args) {
    PyObject *name, *object;
    if (!PyArg_ParseTuple(args, "SO", &name, &object)) return NULL;
    if (PyDict_SetItem(self->firsts.known, name, object) < 0 || learn_campaign(&self->campaigns, name, object) < 0) return NULL;
    Py_RETURN_NONE;
}

static int is_full(const Entry *entry, int measure) {
    return entry->measures[measure] > FULL || entry->measures[SPEND] > FULL || entry->measures[REVENUE] > FULL ||
           entry->measures[CONVERSIONS] > FULL;
}

static void add_event(Entry *entry, const Event *event) {
    const int64_t *numbers = event->numbers;
    if (event->measure != CONVERSIONS) {
        entry->measures[event->measure] += numbers[COUNT];
        entry->measures[CONVERSIONS] += numbers[CONVERSIONS_MICROS];
    } else
        entry->measures[CONVERSIONS] += event->has_conversions ? numbers[CONVERSIONS_MICROS] : numbers[COUNT] * MICROS;
    entry->measures[SPEND] += numbers[SPEND_MICROS];
    entry->measures[REVENUE] += numbers[REVENUE_MICROS];
}

/* Whether the event is one of this campaign; an event that names no currency or zone is. */
static int is_of(const Event *event, const Campaign *campaign) {
    const Text *texts = event->texts;
    return same(texts[CAMPAIGN_ID], campaign->texts[ID_OF]) && same(texts[ACCOUNT_ID], campaign->texts[ACCOUNT_OF]) &&
           same(texts[PLATFORM], campaign->texts[PLATFORM_OF]) &&
           (texts[CURRENCY].size < 0 || same(texts[CURRENCY], campaign->texts[CURRENCY_OF])) &&
           (texts[ZONE].size < 0 || same(texts[ZONE], campaign->texts[ZONE_OF]));
}

static int int_attribute(PyObject *record, PyObject *name, int64_t *number) {
    PyObject *found = PyObject_GetAttr(record, name);
    if (!found) return -1;
    *number = PyLong_AsLongLong(found);
    Py_DECREF(found);
    return *number == -1 && PyErr_Occurred() ? -1 : 0;
}

typedef struct { int64_t until_ms, from_ms, after_offset; int32_t hour; IdNames *names; } Bounds;

/* 1: counted; 0: Python has to look at it, nothing was changed; -1: an exception. */
static int count_event(Panes *self, const Place *record, const Ahead *ahead, const Bounds *bounds) {
    int64_t timestamp_ms = record->timestamp_ms, offset = record->offset, at_ms = ahead->event.numbers[AT];
    const Event *event = &ahead->event;
    if (!ahead->is_plain || timestamp_ms >= bounds->until_ms || offset <= bounds->after_offset) return 0;
    if (at_ms < bounds->from_ms || at_ms > timestamp_ms + MAX_AHEAD_MS) return 0;
    Campaign *campaign = campaign_at(&self->campaigns, ahead->key_hash);
    if (!campaign) {
        int good = is_good_first(&self->firsts, record->key, event);
        if (good <= 0) return good;
        campaign = first_campaign(&self->firsts, &self->campaigns, record->key, ahead->key_hash, event);
        if (!campaign) return -1;
    } else if (!is_of(event, campaign))
        return 0;
    int32_t number = entry_of(&self->entries, campaign, event->texts[AD_ID], at_ms - at_ms % MINUTE_MS);
    if (number < 0) return -1;
    int32_t whole = self->entries.at[number].whole;
    if (is_full(&self->entries.at[number], event->measure) || (whole >= 0 && is_full(&self->entries.at[whole], event->measure))) return 0;

    int64_t known = id_memory_note_hash(self->memory, ahead->id_hash, bounds->hour);
    if (known == -2 || (known != bounds->hour && id_names_append(bounds->names, ahead->name, ahead->length) < 0)) return -1;
    self->counted++;
    if (known >= 0) {
        self->repeated++;
        return 1;
    }
    touch(&self->entries, number, offset, timestamp_ms);
    add_event(&self->entries.at[number], event);
    if (whole >= 0) {
        touch(&self->entries, whole, offset, timestamp_ms);
        add_event(&self->entries.at[whole], event);
    }
    return 1;
}

static Text text_of_bytes(PyObject *bytes) {
    Text text = {NULL, -1};
    if (PyBytes_Check(bytes) && PyBytes_GET_SIZE(bytes) <= INT32_MAX) {
        text.at = PyBytes_AS_STRING(bytes);
        text.size = (int32_t)PyBytes_GET_SIZE(bytes);
    }
    return text;
}

static int count_object(Panes *self, PyObject *record, const Bounds *bounds) {
    PyObject *key = PyObject_GetAttr(record, s_key), *value = key ? PyObject_GetAttr(record, s_value) : NULL;
    Place place;
    Ahead ahead;
    int found = -1;
    if (value && int_attribute(record, s_timestamp, &place.timestamp_ms) == 0 && int_attribute(record, s_offset, &place.offset) == 0) {
        place.key = text_of_bytes(key);
        place.value = text_of_bytes(value);
        read_ahead(&place, &ahead);
        found = count_event(self, &place, &ahead, bounds);
    }
    Py_XDECREF(key);
    Py_XDECREF(value);
    return found;
}

enum { AHEAD = 4 };

static int count_wire(Panes *self, const WireRecords *wire, Py_ssize_t *position, const Bounds *bounds) {
    Ahead ahead[AHEAD];
    int more = 1;
    for (Py_ssize_t read = *position, first = read; *position < wire->count; ++*position) {
        /* Not far at first: where every other record is odd, what was read ahead is read again. */
        Py_ssize_t far = *position + (*position - first < AHEAD - 1 ? *position - first : AHEAD - 1);
        for (; read <= far && read < wire->count; read++) {
            read_ahead(&wire->at[read], &ahead[read % AHEAD]);
            fetch_tables(&ahead[read % AHEAD], &self->campaigns, &self->entries, self->memory);
        }
        if ((more = count_event(self, &wire->at[*position], &ahead[*position % AHEAD], bounds)) <= 0) break;
    }
    return more;
}

/* Counts from `*position` on and moves it; -1 with an exception. */
static int count_all(Panes *self, PyObject *records, Py_ssize_t *position, const Bounds *bounds) {
    int more = 1;
    if (Py_IS_TYPE(records, &WireRecordsType)) return count_wire(self, (const WireRecords *)records, position, bounds);
    PyObject *list = PySequence_Fast(records, "records are a sequence");
    if (!list) return -1;
    while (*position < PySequence_Fast_GET_SIZE(list) &&
           (more = count_object(self, PySequence_Fast_GET_ITEM(list, *position), bounds)) > 0)
        ++*position;
    Py_DECREF(list);
    return more;
}

static PyObject *Panes_count(Panes *self, PyObject *args) {
    PyObject *records, *ids;
    Py_ssize_t position;
    long long until_ms, from_ms, after_offset;
    if (!PyArg_ParseTuple(args, "OnLLLO", &records, &position, &until_ms, &from_ms, &after_offset, &ids)) return NULL;
    PyObject *hour = PyObject_GetAttr(ids, s_hour), *names = hour ? PyObject_GetAttr(ids, s_names) : NULL, *found = NULL;
    if (!names) goto end;
    Bounds bounds = {until_ms, from_ms, after_offset, (int32_t)PyLong_AsLong(hour), (IdNames *)names};
    if (PyErr_Occurred()) goto end;
    if (!Py_IS_TYPE(names, &IdNamesType)) {
        PyErr_SetString(PyExc_TypeError, "names are IdNames");
        goto end;
    }
    if (count_all(self, records, &position, &bounds) >= 0) found = PyLong_FromSsize_t(position);
end:
    Py_XDECREF(hour);
    Py_XDECREF(names);
    return found;
}

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
                return PyErr_Format(PyExc_OverflowError, "a minute of one campaign is above 64 bits");
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
    if (!self->entries.index || grow_campaigns(&self->campaigns) < 0 || begin_firsts(&self->firsts, campaign_type, zone_reason) < 0) {
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
