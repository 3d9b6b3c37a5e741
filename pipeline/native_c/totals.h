/* Totals and changelog rows of counted rows to bytes: the loops of pipeline.counted_totals and pipeline.counted_kept. */

enum { MOST_PIECES = MEASURES + 16 };

static Field slot_texts = {"texts"}, slot_total_tail = {"total_tail"}, slot_kept_tail = {"kept_tail"}, slot_end = {"end_ms"};

/* Bytes that are being put together. */
typedef struct { char *at; size_t size, room; } Buffer;

static char *buffer_room(Buffer *buffer, size_t more) {
    if (buffer->size + more > buffer->room) {
        size_t room = (buffer->size + more) * 2;
        char *at = PyMem_RawRealloc(buffer->at, room);
        if (!at) return PyErr_NoMemory(), NULL;
        buffer->at = at;
        buffer->room = room;
    }
    return buffer->at + buffer->size;
}

static int put_bytes(Buffer *buffer, const char *from, size_t size) {
    if (!size) return 0;
    char *at = buffer_room(buffer, size);
    if (!at) return -1;
    memcpy(at, from, size);
    buffer->size += size;
    return 0;
}

static int put_text(Buffer *buffer, const char *before, PyObject *string) {
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(string, &size);
    return !text || put_bytes(buffer, before, strlen(before)) < 0 ? -1 : put_bytes(buffer, text, (size_t)size);
}

enum { MOST_DIGITS = 20 };

/* Behind the number, written at `at`, where there is room for MOST_DIGITS. */
static char *write_decimal(char *at, int64_t number) {
    char digits[MOST_DIGITS], *end = digits + sizeof digits, *first = end;
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do *--first = (char)('0' + left % 10);
    while (left /= 10);
    if (number < 0) *at++ = '-';
    memcpy(at, first, (size_t)(end - first));
    return at + (end - first);
}

static char *write_bytes(char *at, const char *from, size_t size) { return (char *)memcpy(at, from, size) + size; }

/* What goes into the places of a text: bytes, or a number where `at` is NULL. */
typedef struct { const char *at; size_t size; int64_t number; } Piece;

/* `text` with the pieces at its `%b` and `%d`; `%%` is one of them. */
static int fill_text(Buffer *buffer, PyObject *text, const Piece *pieces, int count) {
    const char *from = PyBytes_AS_STRING(text), *end = from + PyBytes_GET_SIZE(text), *mark;
    size_t most = (size_t)PyBytes_GET_SIZE(text);
    for (int i = 0; i < count; i++) most += pieces[i].at ? pieces[i].size : MOST_DIGITS;
    char *at = buffer_room(buffer, most), *start = at;
    if (!at) return -1;
    int next = 0;
    for (; (mark = memchr(from, '%', (size_t)(end - from))); from = mark + 2) {
        at = write_bytes(at, from, (size_t)(mark - from));
        if (mark[1] == '%') *at++ = '%';
        else if (next == count) break;
        else if (pieces[next].at) at = write_bytes(at, pieces[next].at, pieces[next].size), next++;
        else at = write_decimal(at, pieces[next++].number);
    }
    if (mark || next != count) return PyErr_SetString(PyExc_ValueError, "a text with other places than there are pieces"), -1;
    at = write_bytes(at, from, (size_t)(end - from));
    buffer->size += (size_t)(at - start);
    return 0;
}

/* A row, and what it stands under; all borrowed. */
typedef struct { PyObject *slot, *name, *row; } Target;

static int read_target(PyObject *tuple, Target *target) {
    if (!PyTuple_CheckExact(tuple) || PyTuple_GET_SIZE(tuple) != 3 || !PyUnicode_Check(PyTuple_GET_ITEM(tuple, 1)) ||
        !PyList_CheckExact(PyTuple_GET_ITEM(tuple, 2)) || PyList_GET_SIZE(PyTuple_GET_ITEM(tuple, 2)) < ROW_GAINED)
        return PyErr_SetString(PyExc_TypeError, "a target is (slot, name, row)"), -1;
    target->slot = PyTuple_GET_ITEM(tuple, 0);
    target->name = PyTuple_GET_ITEM(tuple, 1);
    target->row = PyTuple_GET_ITEM(tuple, 2);
    return 0;
}

/* Whose total it is: what those of one campaign or ad have in common. */
typedef struct {
    PyObject *name; /* borrowed; the identity of the string */
    Buffer who, head, place;
    const char *ad_id;
    size_t ad_size;
} Owner;

static PyObject *campaign_named(PyObject *campaigns, const char *key, size_t size) {
    PyObject *name = PyBytes_FromStringAndSize(key, (Py_ssize_t)size), *found = name ? PyDict_GetItemWithError(campaigns, name) : NULL;
    if (!found && !PyErr_Occurred()) PyErr_SetObject(PyExc_KeyError, name);
    Py_XDECREF(name);
    return found;
}

static int find_owner(Owner *owner, PyObject *name, PyObject *campaigns) {
    static const char *const before[STRINGS] = {"\",\"platform\":\"", "\",\"account_id\":\"", "\",\"campaign_id\":\"", "\",\"currency\":\"", "\""};
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(name, &size);
    if (!text) return -1;
    const char *bar = memchr(text, '|', (size_t)size), *end = text + size;
    size_t key_size = (size_t)((bar ? bar : end) - text);
    PyObject *campaign = campaign_named(campaigns, text, key_size), *strings[STRINGS], *key = campaign ? get_field(&campaign_key, campaign) : NULL;
    if (!key) return -1;
    for (int i = 0; i < STRINGS; i++)
        if (!(strings[i] = get_field(&campaign_fields[i], campaign))) return -1;
    owner->who.size = owner->head.size = owner->place.size = 0;
    owner->ad_id = bar ? bar + 1 : end;
    owner->ad_size = (size_t)(end - owner->ad_id);
    if (put_bytes(&owner->who, text, key_size) < 0 || put_bytes(&owner->who, "||", 2) < 0 ||
        put_bytes(&owner->who, owner->ad_id, owner->ad_size) < 0 || put_text(&owner->head, "\"", key) < 0)
        return -1;
    for (int i = 0; i <= ID_OF; i++)
        if (put_text(&owner->head, before[i], strings[i]) < 0) return -1;
    for (int i = ZONE_OF; i >= CURRENCY_OF; i--)
        if (put_text(&owner->place, before[i], strings[i]) < 0) return -1;
    if (put_bytes(&owner->head, "\"", 1) < 0 || put_bytes(&owner->place, "\"", 1) < 0) return -1;
    owner->name = name;
    return 0;
}

typedef struct {
    PyObject *topic, *campaigns, *text_of; /* borrowed */
    int settled;
    int64_t offset; /* of the last record, where it is not that of the row's order: -1 */
    int order_bits;
    Owner owner;
    Buffer value, key;
} Totals;

/* The text of totals of this slot that give so many measures, made by Python when it is asked for first; borrowed. */
static PyObject *slot_text(Totals *totals, PyObject *slot, Py_ssize_t length) {
    int of_ad = totals->owner.ad_size > 0;
    PyObject *texts = get_field(&slot_texts, slot), *kind = texts ? PyLong_FromSsize_t(of_ad ? -length : length) : NULL;
    PyObject *text = kind ? PyDict_GetItemWithError(texts, kind) : NULL, *made;
    if (kind && !text && !PyErr_Occurred() &&
        (made = PyObject_CallFunction(totals->text_of, "OnO", slot, length - ROW_GAINED, of_ad ? Py_True : Py_False))) {
        if (PyBytes_Check(made) && PyDict_SetItem(texts, kind, made) == 0) text = PyDict_GetItemWithError(texts, kind);
        Py_DECREF(made);
    }
    Py_XDECREF(kind);
    return text;
}

static PyObject *one_total(Totals *totals, PyObject *slot, PyObject *row) {
    const Owner *owner = &totals->owner;
    Py_ssize_t length = PyList_GET_SIZE(row);
    PyObject *text = slot_text(totals, slot, length), *tail = get_field(&slot_total_tail, slot);
    if (!text || !tail || length > ROW_GAINED + MEASURES) return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_ValueError, "no such row");
    Piece pieces[MOST_PIECES] = {{owner->who.at, owner->who.size, 0}, {owner->head.at, owner->head.size, 0},
                                 {owner->ad_id, owner->ad_size, 0}, {owner->place.at, owner->place.size, 0}};
    int count = 4;
    int64_t numbers[ROW_GAINED + MEASURES];
    for (Py_ssize_t i = 0; i < length; i++) numbers[i] = PyLong_AsLongLong(PyList_GET_ITEM(row, i));
    if (PyErr_Occurred()) return NULL;
    for (Py_ssize_t i = ROW_GAINED; i < length; i++) pieces[count++].number = numbers[i];
    int is_final = (numbers[ROW_FLAGS] & FINAL) != 0;
    static const char *const truth[] = {"false", "true"};
    pieces[count++].number = numbers[ROW_AS_OF];
    pieces[count++].number = numbers[ROW_REVISION];
    pieces[count++] = (Piece){truth[is_final], strlen(truth[is_final]), 0};
    pieces[count++] = (Piece){truth[totals->settled], strlen(truth[totals->settled]), 0};
    pieces[count++].number = numbers[ROW_ORDER] * 4 + totals->settled * 2 + is_final;
    int64_t counted_to = (numbers[ROW_ORDER] & ((1LL << totals->order_bits) - 1)) - 1;
    pieces[count++].number = totals->offset >= 0 ? totals->offset : counted_to;
    totals->value.size = totals->key.size = 0;
    if (fill_text(&totals->value, text, pieces, count) < 0 || put_bytes(&totals->key, owner->who.at, owner->who.size) < 0 ||
        put_bytes(&totals->key, PyBytes_AS_STRING(tail), (size_t)PyBytes_GET_SIZE(tail)) < 0)
        return NULL;
    PyObject *key = PyBytes_FromStringAndSize(totals->key.at, (Py_ssize_t)totals->key.size);
    PyObject *value = PyBytes_FromStringAndSize(totals->value.at, (Py_ssize_t)totals->value.size);
    PyObject *total = key && value ? uncollected(PyTuple_Pack(3, totals->topic, key, value)) : NULL;
    Py_XDECREF(key);
    Py_XDECREF(value);
    return total;
}

static PyObject *all_totals(Totals *totals, PyObject *targets) {
    PyObject *found = PyList_New(PyList_GET_SIZE(targets));
    for (Py_ssize_t i = 0; found && i < PyList_GET_SIZE(targets); i++) {
        Target target;
        PyObject *total = NULL;
        if (read_target(PyList_GET_ITEM(targets, i), &target) == 0 &&
            (target.name == totals->owner.name || find_owner(&totals->owner, target.name, totals->campaigns) == 0))
            total = one_total(totals, target.slot, target.row);
        if (total) PyList_SET_ITEM(found, i, total);
        else Py_CLEAR(found);
    }
    return found;
}

static PyObject *native_totals(PyObject *module, PyObject *args) {
    Totals totals = {0};
    PyObject *targets;
    long long offset;
    if (!PyArg_ParseTuple(args, "O!OO!OpLi", &PyList_Type, &targets, &totals.topic, &PyDict_Type, &totals.campaigns, &totals.text_of,
                          &totals.settled, &offset, &totals.order_bits))
        return NULL;
    totals.offset = offset;
    PyObject *found = all_totals(&totals, targets);
    Buffer *buffers[] = {&totals.owner.who, &totals.owner.head, &totals.owner.place, &totals.value, &totals.key};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) PyMem_RawFree(buffers[i]->at);
    return found;
}

/* -- rows as the changelog has them: MessagePack, whole numbers only --------------------------------------------- */

static int put_big_endian(Buffer *buffer, unsigned char kind, uint64_t number, int bytes) {
    char *at = buffer_room(buffer, 9);
    if (!at) return -1;
    *at++ = (char)kind;
    for (int i = bytes - 1; i >= 0; i--) *at++ = (char)(number >> (8 * i));
    buffer->size += (size_t)bytes + 1;
    return 0;
}

static int put_number(Buffer *buffer, int64_t number) {
    if (number >= 0) {
        if (number < 0x80) return put_big_endian(buffer, (unsigned char)number, 0, 0);
        if (number <= UINT8_MAX) return put_big_endian(buffer, 0xcc, (uint64_t)number, 1);
        if (number <= UINT16_MAX) return put_big_endian(buffer, 0xcd, (uint64_t)number, 2);
        if (number <= UINT32_MAX) return put_big_endian(buffer, 0xce, (uint64_t)number, 4);
        return put_big_endian(buffer, 0xcf, (uint64_t)number, 8);
    }
    if (number >= -32) return put_big_endian(buffer, (unsigned char)number, 0, 0);
    if (number >= INT8_MIN) return put_big_endian(buffer, 0xd0, (uint64_t)number, 1);
    if (number >= INT16_MIN) return put_big_endian(buffer, 0xd1, (uint64_t)number, 2);
    if (number >= INT32_MIN) return put_big_endian(buffer, 0xd2, (uint64_t)number, 4);
    return put_big_endian(buffer, 0xd3, (uint64_t)number, 8);
}

static int put_numbers(Buffer *buffer, PyObject *row, Py_ssize_t from, Py_ssize_t to) {
    for (Py_ssize_t i = from; i < to; i++) {
        int64_t number = PyLong_AsLongLong(PyList_GET_ITEM(row, i));
        if ((number == -1 && PyErr_Occurred()) || put_number(buffer, number) < 0) return -1;
    }
    return 0;
}

static PyObject *kept_row(Buffer *buffer, PyObject *slot, PyObject *row) {
    PyObject *end = get_field(&slot_end, slot);
    int64_t end_ms = end ? PyLong_AsLongLong(end) : -1;
    Py_ssize_t length = PyList_GET_SIZE(row);
    if (PyErr_Occurred()) return NULL;
    buffer->size = 0;
    int failed = length + 1 < 16 ? put_big_endian(buffer, (unsigned char)(0x90 | (length + 1)), 0, 0) < 0
                                 : put_big_endian(buffer, 0xdc, (uint64_t)length + 1, 2) < 0;
    if (failed || put_numbers(buffer, row, 0, ROW_GAINED) < 0 || put_number(buffer, end_ms) < 0 ||
        put_numbers(buffer, row, ROW_GAINED, length) < 0)
        return NULL;
    return PyBytes_FromStringAndSize(buffer->at, (Py_ssize_t)buffer->size);
}

/* `campaign key|ad or nothing|window|start_s` */
static PyObject *kept_key(Buffer *buffer, PyObject *slot, PyObject *name) {
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(name, &size);
    PyObject *tail = get_field(&slot_kept_tail, slot);
    if (!text || !tail) return NULL;
    buffer->size = 0;
    if (put_bytes(buffer, text, (size_t)size) < 0 || (!memchr(text, '|', (size_t)size) && put_bytes(buffer, "|", 1) < 0) ||
        put_bytes(buffer, PyBytes_AS_STRING(tail), (size_t)PyBytes_GET_SIZE(tail)) < 0)
        return NULL;
    return PyBytes_FromStringAndSize(buffer->at, (Py_ssize_t)buffer->size);
}

static PyObject *native_kept(PyObject *module, PyObject *args) {
    PyObject *targets;
    Buffer buffer = {0};
    if (!PyArg_ParseTuple(args, "O!", &PyList_Type, &targets)) return NULL;
    PyObject *found = PyList_New(PyList_GET_SIZE(targets));
    for (Py_ssize_t i = 0; found && i < PyList_GET_SIZE(targets); i++) {
        Target target;
        PyObject *key = NULL, *value = NULL, *pair = NULL;
        if (read_target(PyList_GET_ITEM(targets, i), &target) == 0 && (key = kept_key(&buffer, target.slot, target.name)) &&
            (value = kept_row(&buffer, target.slot, target.row)))
            pair = uncollected(PyTuple_Pack(2, key, value));
        if (pair) PyList_SET_ITEM(found, i, pair);
        else Py_CLEAR(found);
        Py_XDECREF(key);
        Py_XDECREF(value);
    }
    PyMem_RawFree(buffer.at);
    return found;
}
