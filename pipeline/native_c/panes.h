/* -- Panes ----------------------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject *object; /* the Campaign */
    PyObject *name, *strings[5]; /* bytes of the record key; platform, account, campaign id, currency, zone */
    PyObject *key;
    Text texts[5], key_text;
    Hash hash;
} Campaign;

typedef struct {
    PyObject *pane; /* pipeline.counted_panes.Pane */
    Campaign *campaign;
    Text ad; /* in the Pane's ad_id; size -1 for the campaign as a whole */
    uint64_t hash;
    int64_t minute_ms, offset, timestamp_ms, measures[MEASURES]; /* offset -1: nothing since the last drain */
    int32_t whole; /* the entry of the campaign as a whole, -1 in that one itself */
} Entry;

typedef struct {
    PyObject_HEAD
    IdMemory *memory;
    PyObject *pane_type;
    Campaign **campaigns; /* open addresses by the hash of the name; NULL: empty */
    size_t campaign_slots, campaign_count;
    Entry *entries;
    int32_t entry_count, entry_room;
    int32_t *index; /* open addresses by the hash of campaign, ad and minute; -1: empty */
    size_t index_slots;
    int32_t *touched;
    int32_t touched_count, touched_room;
    long long counted, repeated, oldest_ms;
    int64_t first_ms; /* the earliest minute of all entries */
} Panes;

static PyObject *s_offset, *s_timestamp, *s_key, *s_value, *s_hour, *s_names, *s_ad_id;
static PyObject *s_strings[5];

static void campaign_free(Campaign *campaign) {
    if (!campaign) return;
    Py_XDECREF(campaign->object);
    Py_XDECREF(campaign->name);
    Py_XDECREF(campaign->key);
    for (int i = 0; i < 5; i++) Py_XDECREF(campaign->strings[i]);
    PyMem_RawFree(campaign);
}

static int text_of(PyObject *string, Text *text) {
    Py_ssize_t size;
    text->at = PyUnicode_AsUTF8AndSize(string, &size);
    text->size = (int32_t)size;
    return text->at ? 0 : -1;
}

static Campaign *find_campaign(Panes *self, const char *name, size_t size) {
    Hash hash = hash_of(name, size);
    for (size_t slot = hash.a & (self->campaign_slots - 1);; slot = (slot + 1) & (self->campaign_slots - 1)) {
        Campaign *found = self->campaigns[slot];
        if (!found || (found->hash.a == hash.a && found->hash.b == hash.b)) return found;
    }
}

static void put_campaign(Campaign **campaigns, size_t slots, Campaign *campaign) {
    size_t slot = campaign->hash.a & (slots - 1);
    while (campaigns[slot]) slot = (slot + 1) & (slots - 1);
    campaigns[slot] = campaign;
}

static int read_strings(Campaign *campaign, PyObject *object) {
    for (int i = 0; i < 5; i++) {
        Py_XSETREF(campaign->strings[i], PyObject_GetAttr(object, s_strings[i]));
        if (!campaign->strings[i] || text_of(campaign->strings[i], &campaign->texts[i]) < 0) return -1;
    }
    Py_XSETREF(campaign->key, PyObject_GetAttr(object, s_key));
    return campaign->key ? text_of(campaign->key, &campaign->key_text) : -1;
}

static PyObject *Panes_learn(Panes *self, PyObject *args) {
    PyObject *name, *object;
    if (!PyArg_ParseTuple(args, "SO", &name, &object)) return NULL;
    const char *bytes = PyBytes_AS_STRING(name);
    size_t size = (size_t)PyBytes_GET_SIZE(name);
    Campaign *known = find_campaign(self, bytes, size);
    if (known) {
        Py_INCREF(object);
        Py_SETREF(known->object, object);
        if (read_strings(known, object) < 0) return NULL;
        Py_RETURN_NONE;
    }
    if ((self->campaign_count + 1) * 2 > self->campaign_slots) {
        size_t slots = self->campaign_slots * 2;
        Campaign **campaigns = PyMem_RawCalloc(slots, sizeof *campaigns);
        if (!campaigns) return PyErr_NoMemory();
        for (size_t i = 0; i < self->campaign_slots; i++)
            if (self->campaigns[i]) put_campaign(campaigns, slots, self->campaigns[i]);
        PyMem_RawFree(self->campaigns);
        self->campaigns = campaigns;
        self->campaign_slots = slots;
    }
    Campaign *campaign = PyMem_RawCalloc(1, sizeof *campaign);
    if (!campaign) return PyErr_NoMemory();
    campaign->hash = hash_of(bytes, size);
    campaign->object = Py_NewRef(object);
    campaign->name = Py_NewRef(name);
    if (read_strings(campaign, object) < 0) {
        campaign_free(campaign);
        return NULL;
    }
    put_campaign(self->campaigns, self->campaign_slots, campaign);
    self->campaign_count++;
    Py_RETURN_NONE;
}

static uint64_t entry_hash(const Campaign *campaign, Text ad, int64_t minute_ms) {
    uint64_t hash = campaign->hash.a ^ (uint64_t)(minute_ms / MINUTE_MS) * 0x9e3779b97f4a7c15ULL;
    for (int32_t i = 0; i < ad.size; i++) hash = (hash ^ (unsigned char)ad.at[i]) * 0x100000001b3ULL;
    return hash ^ hash >> 29;
}

static int32_t find_entry(Panes *self, const Campaign *campaign, Text ad, int64_t minute_ms, uint64_t hash) {
    for (size_t slot = hash & (self->index_slots - 1);; slot = (slot + 1) & (self->index_slots - 1)) {
        int32_t found = self->index[slot];
        if (found < 0) return -1;
        const Entry *entry = &self->entries[found];
        if (entry->hash == hash && entry->campaign == campaign && entry->minute_ms == minute_ms &&
            entry->ad.size == ad.size && (ad.size <= 0 || memcmp(entry->ad.at, ad.at, (size_t)ad.size) == 0))
            return found;
    }
}

static void index_entries(Panes *self) {
    memset(self->index, 0xff, self->index_slots * sizeof *self->index);
    for (int32_t number = 0; number < self->entry_count; number++) {
        size_t slot = self->entries[number].hash & (self->index_slots - 1);
        while (self->index[slot] >= 0) slot = (slot + 1) & (self->index_slots - 1);
        self->index[slot] = number;
    }
}

/* Room for `more` entries and as many touches. */
static int make_room(Panes *self, int32_t more) {
    if (self->entry_count + more > self->entry_room) {
        int32_t room = self->entry_room * 2 + more;
        Entry *entries = PyMem_RawRealloc(self->entries, (size_t)room * sizeof *entries);
        if (!entries) return PyErr_NoMemory(), -1;
        self->entries = entries;
        self->entry_room = room;
    }
    if (((size_t)self->entry_count + (size_t)more) * 2 > self->index_slots) {
        size_t slots = self->index_slots * 2;
        int32_t *index = PyMem_RawMalloc(slots * sizeof *index);
        if (!index) return PyErr_NoMemory(), -1;
        PyMem_RawFree(self->index);
        self->index = index;
        self->index_slots = slots;
        index_entries(self);
    }
    if (self->touched_room < self->entry_room) {
        int32_t *touched = PyMem_RawRealloc(self->touched, (size_t)self->entry_room * sizeof *touched);
        if (!touched) return PyErr_NoMemory(), -1;
        self->touched = touched;
        self->touched_room = self->entry_room;
    }
    return 0;
}

static int32_t new_entry(Panes *self, Campaign *campaign, Text ad, int64_t minute_ms, uint64_t hash) {
    PyObject *ad_id = ad.size < 0 ? Py_NewRef(Py_None) : PyUnicode_FromStringAndSize(ad.at, ad.size);
    if (!ad_id) return -2;
    PyObject *pane = PyObject_CallFunction(self->pane_type, "OOL", campaign->object, ad_id, (long long)minute_ms);
    Entry entry = {.pane = pane, .campaign = campaign, .ad = ad, .hash = hash, .minute_ms = minute_ms, .offset = -1, .whole = -1};
    if (pane && ad.size >= 0 && text_of(ad_id, &entry.ad) < 0) Py_CLEAR(pane); /* the Pane keeps the string alive */
    Py_DECREF(ad_id);
    if (!pane) return -2;
    int32_t number = self->entry_count++;
    self->entries[number] = entry;
    if (minute_ms < self->first_ms) self->first_ms = minute_ms;
    size_t slot = hash & (self->index_slots - 1);
    while (self->index[slot] >= 0) slot = (slot + 1) & (self->index_slots - 1);
    self->index[slot] = number;
    return number;
}

/* The number of the entry, made if need be; -2 with an exception. */
static int32_t entry_of(Panes *self, Campaign *campaign, Text ad, int64_t minute_ms) {
    uint64_t hash = entry_hash(campaign, ad, minute_ms);
    int32_t number = find_entry(self, campaign, ad, minute_ms, hash);
    if (number >= 0) return number;
    if (make_room(self, 2) < 0) return -2;
    number = new_entry(self, campaign, ad, minute_ms, hash);
    if (number < 0 || ad.size < 0) return number;
    Text none = {NULL, -1};
    int32_t whole = entry_of(self, campaign, none, minute_ms);
    if (whole < 0) return -2;
    self->entries[number].whole = whole;
    return number;
}

static void touch(Panes *self, int32_t number, int64_t offset, int64_t timestamp_ms) {
    Entry *entry = &self->entries[number];
    if (entry->offset < 0) {
        self->touched[self->touched_count++] = number;
        if (entry->minute_ms < self->oldest_ms) self->oldest_ms = entry->minute_ms;
    }
    entry->offset = offset;
    if (timestamp_ms > entry->timestamp_ms) entry->timestamp_ms = timestamp_ms;
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

static int same(Text a, Text b) { return a.size == b.size && memcmp(a.at, b.at, (size_t)a.size) == 0; }

/* Whether the event is one of this campaign; an event that names no currency or zone is. */
static int is_of(const Event *event, const Campaign *campaign) {
    const Text *texts = event->texts;
    return same(texts[CAMPAIGN_ID], campaign->texts[2]) && same(texts[ACCOUNT_ID], campaign->texts[1]) &&
           same(texts[PLATFORM], campaign->texts[0]) &&
           (texts[CURRENCY].size < 0 || same(texts[CURRENCY], campaign->texts[3])) &&
           (texts[ZONE].size < 0 || same(texts[ZONE], campaign->texts[4]));
}

static int int_attribute(PyObject *record, PyObject *name, int64_t *number) {
    PyObject *found = PyObject_GetAttr(record, name);
    if (!found) return -1;
    *number = PyLong_AsLongLong(found);
    Py_DECREF(found);
    return *number == -1 && PyErr_Occurred() ? -1 : 0;
}

typedef struct { int64_t until_ms, from_ms, after_offset; int32_t hour; PyObject *names; } Bounds;

/* 1: counted; 0: Python has to look at it, nothing was changed; -1: an exception. */
static int count_event(Panes *self, PyObject *record, PyObject *key, const char *value, Py_ssize_t size, const Bounds *bounds) {
    int64_t timestamp_ms, offset;
    Event event;
    if (int_attribute(record, s_timestamp, &timestamp_ms) < 0 || int_attribute(record, s_offset, &offset) < 0) return -1;
    if (timestamp_ms >= bounds->until_ms || offset <= bounds->after_offset || size > MAX_EVENT_BYTES) return 0;
    Campaign *campaign = find_campaign(self, PyBytes_AS_STRING(key), (size_t)PyBytes_GET_SIZE(key));
    if (!campaign || !read_event(value, value + size, &event) || !is_of(&event, campaign)) return 0;
    int64_t at_ms = event.numbers[AT];
    Text id = event.texts[EVENT_ID];
    if (at_ms < bounds->from_ms || at_ms > timestamp_ms + MAX_AHEAD_MS || campaign->key_text.size + 1 + id.size > MAX_NAME)
        return 0;
    int32_t number = entry_of(self, campaign, event.texts[AD_ID], at_ms - at_ms % MINUTE_MS);
    if (number < 0) return -1;
    int32_t whole = self->entries[number].whole;
    if (is_full(&self->entries[number], event.measure) || (whole >= 0 && is_full(&self->entries[whole], event.measure))) return 0;

    char name[MAX_NAME];
    size_t length = (size_t)campaign->key_text.size;
    memcpy(name, campaign->key_text.at, length);
    name[length++] = '|';
    memcpy(name + length, id.at, (size_t)id.size);
    length += (size_t)id.size;
    int64_t known = id_memory_note(self->memory, name, length, bounds->hour);
    if (known == -2) return -1;
    if (known != bounds->hour) {
        PyObject *text = PyUnicode_FromStringAndSize(name, (Py_ssize_t)length);
        int failed = !text || PyList_Append(bounds->names, text) < 0;
        Py_XDECREF(text);
        if (failed) return -1;
    }
    self->counted++;
    if (known >= 0) {
        self->repeated++;
        return 1;
    }
    touch(self, number, offset, timestamp_ms);
    add_event(&self->entries[number], &event);
    if (whole >= 0) {
        touch(self, whole, offset, timestamp_ms);
        add_event(&self->entries[whole], &event);
    }
    return 1;
}

static int count_record(Panes *self, PyObject *record, const Bounds *bounds) {
    PyObject *key = PyObject_GetAttr(record, s_key), *value = key ? PyObject_GetAttr(record, s_value) : NULL;
    int found = !value ? -1 : 0;
    if (value && PyBytes_Check(key) && PyBytes_Check(value))
        found = count_event(self, record, key, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), bounds);
    Py_XDECREF(key);
    Py_XDECREF(value);
    return found;
}

static PyObject *Panes_count(Panes *self, PyObject *args) {
    PyObject *records, *ids;
    Py_ssize_t position;
    long long until_ms, from_ms, after_offset;
    if (!PyArg_ParseTuple(args, "OnLLLO", &records, &position, &until_ms, &from_ms, &after_offset, &ids)) return NULL;
    PyObject *list = PySequence_Fast(records, "records are a sequence"), *hour = NULL, *names = NULL, *found = NULL;
    if (!list || !(hour = PyObject_GetAttr(ids, s_hour)) || !(names = PyObject_GetAttr(ids, s_names))) goto end;
    Bounds bounds = {until_ms, from_ms, after_offset, (int32_t)PyLong_AsLong(hour), names};
    if (PyErr_Occurred()) goto end;
    if (!PyList_Check(names)) {
        PyErr_SetString(PyExc_TypeError, "names are a list");
        goto end;
    }
    int more = 1;
    while (position < PySequence_Fast_GET_SIZE(list)) {
        more = count_record(self, PySequence_Fast_GET_ITEM(list, position), &bounds);
        if (more <= 0) break;
        position++;
    }
    if (more >= 0) found = PyLong_FromSsize_t(position);
end:
    Py_XDECREF(list);
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
    *campaign = failed ? NULL : find_campaign(self, name.at, (size_t)name.size);
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
    int32_t number = entry_of(self, campaign, ad, minute_ms);
    if (number < 0) return NULL;
    for (; number >= 0; number = self->entries[number].whole) {
        touch(self, number, offset, timestamp_ms);
        for (int i = 0; i < MEASURES; i++)
            if (__builtin_add_overflow(self->entries[number].measures[i], gained[i], &self->entries[number].measures[i]))
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
    return PyBool_FromLong(campaign && find_entry(self, campaign, ad, minute_ms, entry_hash(campaign, ad, minute_ms)) >= 0);
}

static PyObject *drained_entry(const Entry *entry) {
    PyObject *measures = PyList_New(MEASURES);
    if (!measures) return NULL;
    for (int i = 0; i < MEASURES; i++) {
        PyObject *number = PyLong_FromLongLong(entry->measures[i]);
        if (!number) {
            Py_DECREF(measures);
            return NULL;
        }
        PyList_SET_ITEM(measures, i, number);
    }
    return Py_BuildValue("OLLN", entry->pane, (long long)entry->offset, (long long)entry->timestamp_ms, measures);
}

/* Ads first, then campaigns, each in the order in which they were touched. */
static int drain_into(Panes *self, PyObject *list) {
    for (int wholes = 0; wholes < 2; wholes++)
        for (int32_t i = 0; i < self->touched_count; i++) {
            const Entry *entry = &self->entries[self->touched[i]];
            if ((entry->ad.size < 0) != wholes) continue;
            PyObject *drained = drained_entry(entry);
            int failed = !drained || PyList_Append(list, drained) < 0;
            Py_XDECREF(drained);
            if (failed) return -1;
        }
    for (int32_t i = 0; i < self->touched_count; i++) {
        Entry *entry = &self->entries[self->touched[i]];
        entry->offset = -1;
        entry->timestamp_ms = 0;
        memset(entry->measures, 0, sizeof entry->measures);
    }
    self->touched_count = 0;
    self->oldest_ms = NEVER;
    return 0;
}

/* Entries of minutes that are over go; an ad and its campaign have the same minute, so they go or stay together. */
static int forget_over(Panes *self, int64_t over_ms) {
    if (self->first_ms + MINUTE_MS > over_ms) return 0;
    self->first_ms = NEVER;
    int32_t kept = 0, *moved = PyMem_RawMalloc(((size_t)self->entry_count + 1) * sizeof *moved);
    if (!moved) return PyErr_NoMemory(), -1;
    for (int32_t number = 0; number < self->entry_count; number++) {
        Entry *entry = &self->entries[number];
        if (entry->minute_ms + MINUTE_MS <= over_ms) {
            Py_CLEAR(entry->pane);
            continue;
        }
        moved[number] = kept;
        if (entry->minute_ms < self->first_ms) self->first_ms = entry->minute_ms;
        self->entries[kept++] = *entry;
    }
    for (int32_t number = 0; number < kept; number++)
        if (self->entries[number].whole >= 0) self->entries[number].whole = moved[self->entries[number].whole];
    if (kept < self->entry_count) {
        self->entry_count = kept;
        index_entries(self);
    }
    PyMem_RawFree(moved);
    return 0;
}

static PyObject *Panes_drain(Panes *self, PyObject *args) {
    long long over_ms;
    if (!PyArg_ParseTuple(args, "L", &over_ms)) return NULL;
    PyObject *list = PyList_New(0);
    if (!list || drain_into(self, list) < 0 || forget_over(self, over_ms) < 0) {
        Py_XDECREF(list);
        return NULL;
    }
    return list;
}

static Py_ssize_t Panes_len(Panes *self) { return self->touched_count; }

static PyObject *Panes_new(PyTypeObject *type, PyObject *args, PyObject *options) {
    PyObject *memory, *pane_type;
    if (!PyArg_ParseTuple(args, "O!O", &IdMemoryType, &memory, &pane_type)) return NULL;
    Panes *self = (Panes *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    self->memory = (IdMemory *)Py_NewRef(memory);
    self->pane_type = Py_NewRef(pane_type);
    self->oldest_ms = self->first_ms = NEVER;
    self->campaign_slots = self->index_slots = 64;
    self->campaigns = PyMem_RawCalloc(64, sizeof *self->campaigns);
    self->index = PyMem_RawMalloc(64 * sizeof *self->index);
    if (!self->campaigns || !self->index) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    memset(self->index, 0xff, 64 * sizeof *self->index);
    return (PyObject *)self;
}

static void Panes_dealloc(Panes *self) {
    for (int32_t number = 0; number < self->entry_count; number++) Py_XDECREF(self->entries[number].pane);
    for (size_t slot = 0; self->campaigns && slot < self->campaign_slots; slot++) campaign_free(self->campaigns[slot]);
    PyMem_RawFree(self->campaigns);
    PyMem_RawFree(self->entries);
    PyMem_RawFree(self->index);
    PyMem_RawFree(self->touched);
    Py_XDECREF(self->memory);
    Py_XDECREF(self->pane_type);
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
    {"oldest_ms", T_LONGLONG, offsetof(Panes, oldest_ms), READONLY, "Earliest minute not drained."},
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
