/* Panes: counts records into entries; implements pipeline.counted_panes.PaneStore, with panes_type.h. */

typedef struct {
    PyObject_HEAD
    IdMemory *memory;
    Campaigns campaigns;
    Entries entries;
    Firsts firsts;
    PyObject *refused;
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

/* Whether all that is wrong is a currency, and the campaign has none yet. */
static int may_learn(const Event *event, const Campaign *campaign) {
    Event without = *event;
    without.texts[CURRENCY].size = -1;
    return campaign->texts[CURRENCY_OF].size == 0 && is_of(&without, campaign);
}

static int int_attribute(PyObject *record, PyObject *name, int64_t *number) {
    PyObject *found = PyObject_GetAttr(record, name);
    if (!found) return -1;
    *number = PyLong_AsLongLong(found);
    Py_DECREF(found);
    return *number == -1 && PyErr_Occurred() ? -1 : 0;
}

typedef struct { int64_t until_ms, from_ms, after_offset; int32_t hour; IdNames *names; } Bounds;

/* What became of a record; of one FOR_PYTHON to look at nothing was changed. */
enum { WENT_WRONG = -1, FOR_PYTHON, COUNTED, REFUSED_BY_FORM, REFUSED_BY_CAMPAIGN };

static int count_event(Panes *self, const Place *record, const Ahead *ahead, const Bounds *bounds) {
    int64_t timestamp_ms = record->timestamp_ms, offset = record->offset, at_ms = ahead->event.numbers[AT];
    const Event *event = &ahead->event;
    if (ahead->verdict == ODD || timestamp_ms >= bounds->until_ms || offset <= bounds->after_offset) return FOR_PYTHON;
    if (ahead->verdict == REFUSED || at_ms > timestamp_ms + MAX_AHEAD_MS) return REFUSED_BY_FORM;
    if (at_ms < bounds->from_ms) return FOR_PYTHON;
    Campaign *campaign = campaign_at(&self->campaigns, ahead->key_hash);
    if (!campaign) {
        int good = is_good_first(&self->firsts, record->key, event);
        if (good <= 0) return good;
        campaign = first_campaign(&self->firsts, &self->campaigns, record->key, ahead->key_hash, event);
        if (!campaign) return -1;
    } else if (!is_of(event, campaign))
        return may_learn(event, campaign) ? FOR_PYTHON : REFUSED_BY_CAMPAIGN;
    int32_t number = entry_of(&self->entries, campaign, event->texts[AD_ID], at_ms - at_ms % MINUTE_MS);
    if (number < 0) return -1;
    int32_t whole = self->entries.at[number].whole;
    if (is_full(&self->entries.at[number], event->measure) || (whole >= 0 && is_full(&self->entries.at[whole], event->measure))) return FOR_PYTHON;

    int64_t known = id_memory_note_hash(self->memory, ahead->id_hash, bounds->hour);
    if (known == -2 || (known != bounds->hour && id_names_append(bounds->names, ahead->name, ahead->length) < 0)) return WENT_WRONG;
    self->counted++;
    if (known >= 0) {
        self->repeated++;
        return COUNTED;
    }
    touch(&self->entries, number, offset, timestamp_ms);
    add_event(&self->entries.at[number], event);
    if (whole >= 0) {
        touch(&self->entries, whole, offset, timestamp_ms);
        add_event(&self->entries.at[whole], event);
    }
    return COUNTED;
}

/* Takes note of a record that was refused, over whose reference it takes; what is to be returned to the loop. */
static int note_refused(Panes *self, PyObject *record, int outcome) {
    PyObject *note = record ? Py_BuildValue("NO", record, outcome == REFUSED_BY_CAMPAIGN ? Py_True : Py_False) : NULL;
    int failed = !note || PyList_Append(self->refused, note) < 0;
    Py_XDECREF(note);
    return failed ? WENT_WRONG : COUNTED;
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
    int found = WENT_WRONG;
    if (value && int_attribute(record, s_timestamp, &place.timestamp_ms) == 0 && int_attribute(record, s_offset, &place.offset) == 0) {
        place.key = text_of_bytes(key);
        place.value = text_of_bytes(value);
        read_ahead(&place, &ahead);
        found = count_event(self, &place, &ahead, bounds);
        if (found > COUNTED) found = note_refused(self, Py_NewRef(record), found);
    }
    Py_XDECREF(key);
    Py_XDECREF(value);
    return found;
}

enum { AHEAD = 4 };

static int count_wire(Panes *self, WireRecords *wire, Py_ssize_t *position, const Bounds *bounds) {
    Ahead ahead[AHEAD];
    int more = 1;
    for (Py_ssize_t read = *position, first = read; *position < wire->count; ++*position) {
        /* Not far at first: where every other record is odd, what was read ahead is read again. */
        Py_ssize_t far = *position + (*position - first < AHEAD - 1 ? *position - first : AHEAD - 1);
        for (; read <= far && read < wire->count; read++) {
            read_ahead(&wire->at[read], &ahead[read % AHEAD]);
            fetch_tables(&ahead[read % AHEAD], &self->campaigns, &self->entries, self->memory);
        }
        more = count_event(self, &wire->at[*position], &ahead[*position % AHEAD], bounds);
        if (more > COUNTED) more = note_refused(self, WireRecords_item(wire, *position), more);
        if (more <= FOR_PYTHON) break;
    }
    return more;
}

/* Counts from `*position` on and moves it; -1 with an exception. */
static int count_all(Panes *self, PyObject *records, Py_ssize_t *position, const Bounds *bounds) {
    int more = 1;
    if (Py_IS_TYPE(records, &WireRecordsType)) return count_wire(self, (WireRecords *)records, position, bounds);
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
