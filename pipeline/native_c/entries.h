/* One entry for each minute of an ad, and of a campaign as a whole, that holds something or did so lately. */

enum { MANY_ENTRIES = 1 << 16 };

typedef struct {
    PyObject *pane; /* pipeline.counted_panes.Pane */
    Campaign *campaign;
    Text ad; /* in the Pane's ad_id; size -1 for the campaign as a whole */
    uint64_t hash;
    int64_t minute_ms, offset, timestamp_ms, measures[MEASURES]; /* offset -1: nothing since the last drain */
    uint32_t drained; /* the drain it was last touched before */
    int32_t whole; /* the entry of the campaign as a whole, -1 in that one itself */
} Entry;

typedef struct {
    PyObject *pane_type;
    Entry *at;
    int32_t count, room;
    int32_t *index; /* open addresses by the hash of campaign, ad and minute; -1: empty */
    size_t index_slots;
    int32_t *touched;
    int32_t touched_count, touched_room;
    long long oldest_ms; /* the earliest minute that holds something */
    int64_t first_ms;    /* the earliest minute of all entries */
    uint32_t drains;
} Entries;

static uint64_t entry_hash(Hash campaign, Text ad, int64_t minute_ms) {
    uint64_t hash = campaign.a ^ (uint64_t)(minute_ms / MINUTE_MS) * 0x9e3779b97f4a7c15ULL;
    for (int32_t i = 0; i < ad.size; i++) hash = (hash ^ (unsigned char)ad.at[i]) * 0x100000001b3ULL;
    return hash ^ hash >> 29;
}

static int32_t find_entry(Entries *self, const Campaign *campaign, Text ad, int64_t minute_ms, uint64_t hash) {
    for (size_t slot = hash & (self->index_slots - 1);; slot = (slot + 1) & (self->index_slots - 1)) {
        int32_t found = self->index[slot];
        if (found < 0) return -1;
        const Entry *entry = &self->at[found];
        if (entry->hash == hash && entry->campaign == campaign && entry->minute_ms == minute_ms &&
            entry->ad.size == ad.size && (ad.size <= 0 || memcmp(entry->ad.at, ad.at, (size_t)ad.size) == 0))
            return found;
    }
}

static void index_entries(Entries *self) {
    memset(self->index, 0xff, self->index_slots * sizeof *self->index);
    for (int32_t number = 0; number < self->count; number++) {
        size_t slot = self->at[number].hash & (self->index_slots - 1);
        while (self->index[slot] >= 0) slot = (slot + 1) & (self->index_slots - 1);
        self->index[slot] = number;
    }
}

/* Room for `more` entries and as many touches. */
static int make_room(Entries *self, int32_t more) {
    if (self->count + more > self->room) {
        int32_t room = self->room * 2 + more;
        Entry *entries = PyMem_RawRealloc(self->at, (size_t)room * sizeof *entries);
        if (!entries) return PyErr_NoMemory(), -1;
        self->at = entries;
        self->room = room;
    }
    if (((size_t)self->count + (size_t)more) * 2 > self->index_slots) {
        size_t slots = self->index_slots * 2;
        int32_t *index = PyMem_RawMalloc(slots * sizeof *index);
        if (!index) return PyErr_NoMemory(), -1;
        PyMem_RawFree(self->index);
        self->index = index;
        self->index_slots = slots;
        index_entries(self);
    }
    if (self->touched_room < self->room) {
        int32_t *touched = PyMem_RawRealloc(self->touched, (size_t)self->room * sizeof *touched);
        if (!touched) return PyErr_NoMemory(), -1;
        self->touched = touched;
        self->touched_room = self->room;
    }
    return 0;
}

static Field pane_fields[] = {{"campaign"}, {"ad_id"}, {"minute_ms"}, {"targets"}, {"was_folded"}};

/* As `Pane(campaign, ad_id, minute_ms)` makes it. */
static PyObject *new_pane(const Entries *self, PyObject *campaign, PyObject *ad_id, int64_t minute_ms) {
    PyTypeObject *type = (PyTypeObject *)self->pane_type;
    PyObject *pane = type->tp_alloc(type, 0), *minute = PyLong_FromLongLong(minute_ms);
    PyObject *values[] = {campaign, ad_id, minute, Py_None, Py_False};
    int failed = !pane || !minute;
    for (size_t i = 0; i < sizeof values / sizeof *values && !failed; i++) failed = set_field(&pane_fields[i], pane, values[i]) < 0;
    Py_XDECREF(minute);
    if (failed) Py_CLEAR(pane);
    return uncollected(pane); /* rows do not lead back to it */
}

static int32_t new_entry(Entries *self, Campaign *campaign, Text ad, int64_t minute_ms, uint64_t hash) {
    PyObject *ad_id = ad.size < 0 ? Py_NewRef(Py_None) : PyUnicode_FromStringAndSize(ad.at, ad.size);
    if (!ad_id) return -2;
    PyObject *pane = new_pane(self, campaign->object, ad_id, minute_ms);
    Entry entry = {.pane = pane, .campaign = campaign, .ad = ad, .hash = hash, .minute_ms = minute_ms, .offset = -1, .whole = -1};
    if (pane && ad.size >= 0 && text_of(ad_id, &entry.ad) < 0) Py_CLEAR(pane); /* the Pane keeps the string alive */
    Py_DECREF(ad_id);
    if (!pane) return -2;
    int32_t number = self->count++;
    self->at[number] = entry;
    if (minute_ms < self->first_ms) self->first_ms = minute_ms;
    size_t slot = hash & (self->index_slots - 1);
    while (self->index[slot] >= 0) slot = (slot + 1) & (self->index_slots - 1);
    self->index[slot] = number;
    return number;
}

/* The number of the entry, made if need be; -2 with an exception. */
static int32_t entry_of(Entries *self, Campaign *campaign, Text ad, int64_t minute_ms) {
    uint64_t hash = entry_hash(campaign->hash, ad, minute_ms);
    int32_t number = find_entry(self, campaign, ad, minute_ms, hash);
    if (number >= 0) return number;
    if (make_room(self, 2) < 0) return -2;
    number = new_entry(self, campaign, ad, minute_ms, hash);
    if (number < 0 || ad.size < 0) return number;
    Text none = {NULL, -1};
    int32_t whole = entry_of(self, campaign, none, minute_ms);
    if (whole < 0) return -2;
    self->at[number].whole = whole;
    return number;
}

static void touch(Entries *self, int32_t number, int64_t offset, int64_t timestamp_ms) {
    Entry *entry = &self->at[number];
    if (entry->offset < 0) {
        self->touched[self->touched_count++] = number;
        if (entry->minute_ms < self->oldest_ms) self->oldest_ms = entry->minute_ms;
    }
    entry->offset = offset;
    if (timestamp_ms > entry->timestamp_ms) entry->timestamp_ms = timestamp_ms;
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
static int drain_into(Entries *self, PyObject *list) {
    for (int wholes = 0; wholes < 2; wholes++)
        for (int32_t i = 0; i < self->touched_count; i++) {
            const Entry *entry = &self->at[self->touched[i]];
            if ((entry->ad.size < 0) != wholes) continue;
            PyObject *drained = drained_entry(entry);
            int failed = !drained || PyList_Append(list, drained) < 0;
            Py_XDECREF(drained);
            if (failed) return -1;
        }
    for (int32_t i = 0; i < self->touched_count; i++) {
        Entry *entry = &self->at[self->touched[i]];
        entry->offset = -1;
        entry->drained = self->drains;
        entry->timestamp_ms = 0;
        memset(entry->measures, 0, sizeof entry->measures);
    }
    self->touched_count = 0;
    self->oldest_ms = NEVER;
    return 0;
}

/* Entries of minutes that are over go, and where there are very many those that rested since the drain before. An event
 * of an ad touches its campaign as well, so the entry of a campaign stays as long as one of an ad does. */
static int forget_over(Entries *self, int64_t over_ms) {
    int many = self->count > MANY_ENTRIES;
    if (self->first_ms + MINUTE_MS > over_ms && !many) return 0;
    self->first_ms = NEVER;
    int32_t kept = 0, *moved = PyMem_RawMalloc(((size_t)self->count + 1) * sizeof *moved);
    if (!moved) return PyErr_NoMemory(), -1;
    for (int32_t number = 0; number < self->count; number++) {
        Entry *entry = &self->at[number];
        if (entry->minute_ms + MINUTE_MS <= over_ms || (many && entry->drained != self->drains)) {
            Py_CLEAR(entry->pane);
            continue;
        }
        moved[number] = kept;
        if (entry->minute_ms < self->first_ms) self->first_ms = entry->minute_ms;
        self->at[kept++] = *entry;
    }
    for (int32_t number = 0; number < kept; number++)
        if (self->at[number].whole >= 0) self->at[number].whole = moved[self->at[number].whole];
    if (kept < self->count) {
        self->count = kept;
        index_entries(self);
    }
    PyMem_RawFree(moved);
    return 0;
}
