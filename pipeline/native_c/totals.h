/* Totals of counted rows to bytes: the loop of pipeline.counted_totals. */

enum { MOST_PIECES = MEASURES + 24 };

static Field slot_texts = {"texts"}, slot_total_tail = {"total_tail"};

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

/* What goes into a place of a text: bytes, or a number where `at` is NULL. */
typedef struct { const char *at; size_t size; int64_t number; } Piece;

enum { STEP_BYTES = 32 }; /* what is between two places is copied in steps of so many bytes, the last of them too far */

/* What totals of one slot that give as many measures have in common, cut at its places. */
typedef struct {
    PyObject *slot, *tail; /* borrowed: of a key */
    Py_ssize_t kind;
    char *bytes;
    size_t size, ends[MOST_PIECES + 1]; /* of what is before each place, and of all */
    int places;
} CutText;

/* `text` has `%b` and `%d` for its places; `%%` is one of them. */
static int cut_text(CutText *cut, PyObject *text) {
    const char *from = PyBytes_AS_STRING(text), *end = from + PyBytes_GET_SIZE(text), *mark;
    if (!(cut->bytes = PyMem_RawCalloc((size_t)PyBytes_GET_SIZE(text) + STEP_BYTES, 1))) return PyErr_NoMemory(), -1;
    char *at = cut->bytes;
    for (; (mark = memchr(from, '%', (size_t)(end - from))); from = mark + 2) {
        at = write_bytes(at, from, (size_t)(mark - from));
        if (mark[1] == '%') *at++ = '%';
        else if (cut->places == MOST_PIECES) return PyErr_SetString(PyExc_ValueError, "a text with too many places"), -1;
        else cut->ends[cut->places++] = (size_t)(at - cut->bytes);
    }
    at = write_bytes(at, from, (size_t)(end - from));
    cut->ends[cut->places] = cut->size = (size_t)(at - cut->bytes);
    return 0;
}

static int fill_text(Buffer *buffer, const CutText *cut, const Piece *pieces, int count) {
    if (count != cut->places) return PyErr_SetString(PyExc_ValueError, "a text with other places than there are pieces"), -1;
    size_t most = cut->size + STEP_BYTES, from = 0;
    for (int i = 0; i < count; i++) most += pieces[i].at ? pieces[i].size : MOST_DIGITS;
    char *at = buffer_room(buffer, most), *start = at;
    if (!at) return -1;
    for (int i = 0; i <= count; i++) {
        size_t size = cut->ends[i] - from;
        for (size_t done = 0; done < size; done += STEP_BYTES) memcpy(at + done, cut->bytes + from + done, STEP_BYTES);
        at += size;
        from += size;
        if (i == count) break;
        at = pieces[i].at ? write_bytes(at, pieces[i].at, pieces[i].size) : write_decimal(at, pieces[i].number);
    }
    buffer->size += (size_t)(at - start);
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

static int find_owner(Owner *owner, PyObject *name, PyObject *campaign, PyObject *campaigns) {
    static const char *const before[STRINGS] = {"\",\"platform\":\"", "\",\"account_id\":\"", "\",\"campaign_id\":\"", "\",\"currency\":\"", "\""};
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(name, &size);
    if (!text) return -1;
    const char *bar = memchr(text, '|', (size_t)size), *end = text + size;
    size_t key_size = (size_t)((bar ? bar : end) - text);
    if (!campaign && !(campaign = campaign_named(campaigns, text, key_size))) return -1;
    PyObject *strings[STRINGS], *key = get_field(&campaign_key, campaign);
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

enum { CUT_TEXTS = 16 };

typedef struct {
    Pairs *found;
    PyObject *campaigns, *text_of; /* borrowed */
    int settled;
    int64_t offset; /* of the last record, where it is not that of the row's order: -1 */
    int order_bits;
    Owner owner;
    Buffer value, key;
    CutText cut[CUT_TEXTS]; /* those met last */
    unsigned cuts;
} Totals;

/* The text of totals of this slot that give so many measures, made by Python when it is asked for first; borrowed. */
static PyObject *slot_text(Totals *totals, PyObject *slot, Py_ssize_t kind, Py_ssize_t measures) {
    PyObject *texts = get_field(&slot_texts, slot), *number = texts ? PyLong_FromSsize_t(kind) : NULL;
    PyObject *text = number ? PyDict_GetItemWithError(texts, number) : NULL, *made;
    if (number && !text && !PyErr_Occurred() &&
        (made = PyObject_CallFunction(totals->text_of, "OnO", slot, measures, kind < 0 ? Py_True : Py_False))) {
        if (PyBytes_Check(made) && PyDict_SetItem(texts, number, made) == 0) text = PyDict_GetItemWithError(texts, number);
        Py_DECREF(made);
    }
    Py_XDECREF(number);
    return text;
}

static const CutText *cut_of(Totals *totals, PyObject *slot, Py_ssize_t length) {
    Py_ssize_t kind = totals->owner.ad_size > 0 ? -length : length;
    for (int i = 0; i < CUT_TEXTS; i++)
        if (totals->cut[i].slot == slot && totals->cut[i].kind == kind) return &totals->cut[i];
    PyObject *text = slot_text(totals, slot, kind, length - ROW_GAINED), *tail = get_field(&slot_total_tail, slot);
    if (!text || !tail) return PyErr_Occurred() ? NULL : (PyErr_SetString(PyExc_TypeError, "a text is bytes"), NULL);
    CutText *cut = &totals->cut[totals->cuts++ % CUT_TEXTS];
    PyMem_RawFree(cut->bytes);
    *cut = (CutText){.kind = kind, .tail = tail};
    if (cut_text(cut, text) < 0) return NULL;
    cut->slot = slot;
    return cut;
}

static int one_total(Totals *totals, PyObject *slot, PyObject *row) {
    const Owner *owner = &totals->owner;
    Py_ssize_t length = PyList_GET_SIZE(row);
    if (length > ROW_GAINED + MEASURES) return PyErr_SetString(PyExc_ValueError, "no such row"), -1;
    const CutText *cut = cut_of(totals, slot, length);
    if (!cut) return -1;
    Piece pieces[MOST_PIECES] = {{owner->who.at, owner->who.size, 0}, {owner->head.at, owner->head.size, 0},
                                 {owner->ad_id, owner->ad_size, 0}, {owner->place.at, owner->place.size, 0}};
    int count = 4;
    int64_t numbers[ROW_GAINED + MEASURES];
    for (Py_ssize_t i = 0; i < length; i++) numbers[i] = PyLong_AsLongLong(PyList_GET_ITEM(row, i));
    if (PyErr_Occurred()) return -1;
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
    if (fill_text(&totals->value, cut, pieces, count) < 0 || put_bytes(&totals->key, owner->who.at, owner->who.size) < 0 ||
        put_bytes(&totals->key, PyBytes_AS_STRING(cut->tail), (size_t)PyBytes_GET_SIZE(cut->tail)) < 0)
        return -1;
    return put_pair(totals->found, (Part){totals->key.at, (Py_ssize_t)totals->key.size}, (Part){totals->value.at, (Py_ssize_t)totals->value.size});
}

static PyObject *native_totals(PyObject *module, PyObject *args) {
    Totals totals = {0};
    PyObject *targets;
    long long offset;
    if (!PyArg_ParseTuple(args, "OO!O!OpLi", &targets, &PairsType, &totals.found, &PyDict_Type, &totals.campaigns, &totals.text_of,
                          &totals.settled, &offset, &totals.order_bits))
        return NULL;
    if (!are_targets(targets)) return PyErr_Format(PyExc_TypeError, "targets are NotedRows or a list");
    totals.offset = offset;
    Py_ssize_t position = 0;
    Target target;
    int more;
    while ((more = next_target(targets, &position, &target)) > 0)
        if ((target.name != totals.owner.name && find_owner(&totals.owner, target.name, target.campaign, totals.campaigns) < 0) ||
            one_total(&totals, target.slot, target.row) < 0)
            break;
    Buffer *buffers[] = {&totals.owner.who, &totals.owner.head, &totals.owner.place, &totals.value, &totals.key};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) PyMem_RawFree(buffers[i]->at);
    for (int i = 0; i < CUT_TEXTS; i++) PyMem_RawFree(totals.cut[i].bytes);
    if (more) return NULL;
    Py_RETURN_NONE;
}
