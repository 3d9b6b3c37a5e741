/* Rows of the changelog into their slots: what pipeline.counted_restore does in Python, for rows that are plain: whole
 * numbers of 64 bits under a key of the usual form. Whatever else there is goes to Python as it stands.
 */

enum { MAX_KEPT = 32, KEPT_HEAD = 5, BREATH = 20000 };
enum { KEPT_ORDER, KEPT_AS_OF, KEPT_REVISION, KEPT_FLAGS, KEPT_END };

static Field slot_waiting = {"is_waiting"};
static PyObject *s_watch_late, *s_wait_for_end;

static void intern_names_of_restore(void) {
    s_watch_late = PyUnicode_InternFromString("watch_late");
    s_wait_for_end = PyUnicode_InternFromString("wait_for_end");
}

typedef struct { int64_t number; PyObject *object; } KeptNumber; /* a number that rows have in common, once */


typedef struct { PyObject *slot, *rows; } KeptPlace;

typedef struct { Hash hash; PyObject *name; } KeptName;

typedef struct {
    PyObject *to; /* pipeline.counted_restore.RestoredRows */
    PyObject *campaigns, *corrected;
    Words places; /* what follows the name in a key, and the end of the window */
    KeptPlace *placed;
    int32_t placed_room;
    KeptName *named; /* open addresses by the hash; NULL: empty */
    size_t named_slots, named_count;
    Text last_text; /* in the block of the copies */
    PyObject *last_name;
    KeptNumber order, as_of, measures[MAX_KEPT];
    int64_t furthest, offset_mask;
    PyTypeObject *campaign_type;
    PyObject *learn; /* (key of its records, campaign) */
    Shared texts[STRINGS];
} Restoring;

/* -- what rows share ------------------------------------------------------------------------------------------------ */

static PyObject *shared_number(KeptNumber *shared, int64_t number) {
    if (!shared->object || shared->number != number) {
        PyObject *object = PyLong_FromLongLong(number);
        if (!object) return NULL;
        Py_XSETREF(shared->object, object);
        shared->number = number;
    }
    return Py_NewRef(shared->object);
}

/* The name of an ad; of a campaign the very string that the campaign itself has. */
static PyObject *name_object(const Restoring *self, Text text) {
    PyObject *bytes = PyBytes_FromStringAndSize(text.at, text.size);
    if (!bytes) return NULL;
    PyObject *campaign = PyDict_GetItemWithError(self->campaigns, bytes);
    Py_DECREF(bytes);
    if (campaign) return PyObject_GetAttr(campaign, s_key);
    return PyErr_Occurred() ? NULL : PyUnicode_DecodeUTF8(text.at, text.size, NULL);
}

static int grow_kept_names(Restoring *self) {
    size_t slots = self->named_slots ? self->named_slots * 2 : LEAST_SLOTS;
    KeptName *named = PyMem_RawCalloc(slots, sizeof *named);
    if (!named) return PyErr_NoMemory(), -1;
    for (size_t old = 0; old < self->named_slots; old++) {
        if (!self->named[old].name) continue;
        size_t slot = self->named[old].hash.a & (slots - 1);
        while (named[slot].name) slot = (slot + 1) & (slots - 1);
        named[slot] = self->named[old];
    }
    PyMem_RawFree(self->named);
    self->named = named;
    self->named_slots = slots;
    return 0;
}

/* Borrowed. */
static PyObject *name_of_row(Restoring *self, Text text) {
    if (self->last_name && self->last_text.size == text.size && memcmp(self->last_text.at, text.at, (size_t)text.size) == 0)
        return self->last_name;
    if ((self->named_count + 1) * 2 > self->named_slots && grow_kept_names(self) < 0) return NULL;
    Hash hash = hash_of(text.at, (size_t)text.size);
    size_t slot = hash.a & (self->named_slots - 1);
    while (self->named[slot].name && (self->named[slot].hash.a != hash.a || self->named[slot].hash.b != hash.b))
        slot = (slot + 1) & (self->named_slots - 1);
    KeptName *named = &self->named[slot];
    if (!named->name) {
        named->hash = hash;
        if (!(named->name = name_object(self, text))) return NULL;
        self->named_count++;
    }
    self->last_text = text;
    return self->last_name = named->name;
}

/* -- slots ---------------------------------------------------------------------------------------------------------- */

static int find_kept_slot(const Restoring *self, Text place, int64_t end_ms, int64_t as_of_ms, KeptPlace *placed) {
    placed->slot = PyObject_CallMethod(self->to, "slot_of", "s#LL", place.at, (Py_ssize_t)place.size, (long long)end_ms, (long long)as_of_ms);
    if (!placed->slot) return -1;
    placed->rows = Py_XNewRef(get_field(&slot_rows, placed->slot));
    if (placed->rows && PyDict_Check(placed->rows)) return 0;
    if (placed->rows) PyErr_SetString(PyExc_TypeError, "the rows of a slot are a dict");
    Py_CLEAR(placed->slot);
    Py_CLEAR(placed->rows);
    return -1;
}

static const KeptPlace *row_place(Restoring *self, Text place, int64_t end_ms, int64_t as_of_ms) {
    char name[MAX_NAME];
    memcpy(name, place.at, (size_t)place.size);
    memcpy(name + place.size, &end_ms, sizeof end_ms);
    int32_t known = self->places.count, number = word_of(&self->places, name, place.size + (int32_t)sizeof end_ms);
    if (number < 0) return (const KeptPlace *)PyErr_NoMemory();
    if (number < known) return &self->placed[number];
    if (number == self->placed_room) {
        int32_t room = self->placed_room * 2 + 64;
        KeptPlace *placed = PyMem_RawRealloc(self->placed, (size_t)room * sizeof *placed);
        if (!placed) return (const KeptPlace *)PyErr_NoMemory();
        self->placed = placed;
        self->placed_room = room;
    }
    self->placed[number] = (KeptPlace){NULL, NULL};
    return find_kept_slot(self, place, end_ms, as_of_ms, &self->placed[number]) < 0 ? NULL : &self->placed[number];
}

static int call_slots(PyObject *of, PyObject *method, PyObject *slot, int64_t as_of_ms) {
    PyObject *number = method == s_watch_late ? PyLong_FromLongLong(as_of_ms) : NULL;
    if (method == s_watch_late && !number) return -1;
    PyObject *told = PyObject_CallMethodObjArgs(of, method, slot, number, NULL);
    Py_XDECREF(number);
    Py_XDECREF(told);
    return told ? 0 : -1;
}

/* -- rows ------------------------------------------------------------------------------------------------------------ */

typedef struct { Text name, place; int64_t numbers[MAX_KEPT]; int32_t count; } KeptRow;

/* Where the name ends and the place begins: `campaign||window|start`, or `campaign|ad|window|start`. */
static int read_kept_key(Text key, KeptRow *row) {
    const char *bar = key.size > 0 && key.at[0] ? memchr(key.at, '|', (size_t)key.size) : NULL, *end = key.at + key.size;
    if (!bar || bar + 1 >= end) return 0;
    if (bar[1] != '|') {
        bar = memchr(bar + 1, '|', (size_t)(end - bar - 1));
        if (!bar || bar + 1 >= end) return 0;
    }
    row->name = (Text){key.at, (int32_t)(bar - key.at)};
    row->place = (Text){bar + 1, (int32_t)(end - bar - 1)};
    return row->place.size <= MAX_NAME - (int32_t)sizeof(int64_t);
}

static int read_kept_row(Text key, Text value, KeptRow *row) {
    int64_t count;
    const char *end = value.at + value.size, *p = msgpack_array(value.at, end, &count);
    if (!p || count < KEPT_HEAD || count > MAX_KEPT || !read_kept_key(key, row)) return 0;
    for (int64_t i = 0; i < count; i++)
        if (!(p = msgpack_int(p, end, &row->numbers[i]))) return 0;
    row->count = (int32_t)count;
    return p == end && row->numbers[KEPT_ORDER] >= 0;
}

/* As it is in memory: without the end, which the slot has. */
static PyObject *row_list(Restoring *self, const KeptRow *row) {
    PyObject *list = PyList_New(row->count - 1);
    for (int32_t i = 0, at = 0; list && i < row->count; i++) {
        if (i == KEPT_END) continue;
        int64_t number = row->numbers[i];
        PyObject *object = i == KEPT_ORDER   ? shared_number(&self->order, number)
                           : i == KEPT_AS_OF ? shared_number(&self->as_of, number)
                           : i > KEPT_END    ? shared_number(&self->measures[i], number)
                                             : PyLong_FromLongLong(number);
        if (object) PyList_SET_ITEM(list, at++, object);
        else Py_CLEAR(list);
    }
    return uncollected(list);
}

static int place_row(Restoring *self, const KeptRow *row) {
    const int64_t *numbers = row->numbers;
    PyObject *name = name_of_row(self, row->name);
    const KeptPlace *placed = name ? row_place(self, row->place, numbers[KEPT_END], numbers[KEPT_AS_OF]) : NULL;
    PyObject *list = placed ? row_list(self, row) : NULL;
    if (!list) return -1;
    PyObject *slot = placed->slot;
    PyObject *is_pushed = get_field(&slot_pushed, slot), *is_waiting = get_field(&slot_waiting, slot);
    int code = is_pushed && is_waiting ? PyDict_SetItem(placed->rows, name, list) : -1;
    int64_t offset = (numbers[KEPT_ORDER] & self->offset_mask) - 1;
    if (offset > self->furthest) self->furthest = offset;
    if (code == 0 && is_pushed == Py_True) code = call_slots(self->to, s_watch_late, slot, numbers[KEPT_AS_OF]);
    if (code == 0 && numbers[KEPT_FLAGS] & CORRECTED) {
        PyObject *target = PyTuple_Pack(3, slot, name, list);
        code = target ? PyList_Append(self->corrected, target) : -1;
        Py_XDECREF(target);
    } else if (code == 0 && !numbers[KEPT_FLAGS] && is_waiting != Py_True)
        code = call_slots(self->to, s_wait_for_end, slot, 0);
    Py_DECREF(list);
    return code < 0 ? -1 : 1;
}
