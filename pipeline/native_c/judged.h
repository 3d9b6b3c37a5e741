/* Which totals the judge reads, of a batch as it came over the wire: pipeline.alerts.worth_judging. */

static int text_is(Text text, const char *word) { return text.size == (int32_t)strlen(word) && memcmp(text.at, word, (size_t)text.size) == 0; }

/* Where a word was found last, from the end: in totals of one form it is there again, and need not be looked for. */
typedef struct { const char *word; int32_t behind; } Sought;

static int holds_again(Text text, Sought *sought) {
    int32_t size = (int32_t)strlen(sought->word), at = text.size - sought->behind;
    if (sought->behind >= size && at >= 0 && memcmp(text.at + at, sought->word, (size_t)size) == 0) return 1;
    const char *found = memmem(text.at, (size_t)text.size, sought->word, (size_t)size);
    if (found) sought->behind = (int32_t)(text.at + text.size - found);
    return found != NULL;
}

/* As `may_be_judged` there: `campaign_key|||basis|window|start_s`. */
static int total_may_be_judged(Text key, Text value, Sought *is_open, Sought *no_budget) {
    int32_t bars[4], found = 0; /* from the right */
    for (int32_t i = key.size - 1; i >= 0 && found < 4; i--)
        if (key.at[i] == '|') bars[found++] = i;
    if (found < 4 || bars[2] != bars[3] + 1 || bars[3] == 0 || key.at[bars[3] - 1] != '|') return 0;
    Text window = {key.at + bars[1] + 1, bars[0] - bars[1] - 1}, basis = {key.at + bars[2] + 1, bars[1] - bars[2] - 1};
    if (text_is(window, "1h")) return !holds_again(value, is_open);
    return text_is(window, "1d") && (!text_is(basis, "counted") || !holds_again(value, no_budget));
}

static PyObject *native_worth_judging(PyObject *module, PyObject *args) {
    WireRecords *records;
    long long counted_to;
    if (!PyArg_ParseTuple(args, "O!L", &WireRecordsType, &records, &counted_to)) return NULL;
    Sought is_open = {"\"is_final\":false", 0}, no_budget = {"\"daily_budget_micros\":null", 0};
    PyObject *found = PyList_New(0);
    Py_ssize_t replayed = 0;
    for (Py_ssize_t i = 0; found && i < records->count; i++) {
        const Place *place = &records->at[i];
        if (place->offset <= counted_to) {
            replayed++;
            continue;
        }
        if (place->value.size < 0 || (place->key.size >= 0 && !total_may_be_judged(place->key, place->value, &is_open, &no_budget))) continue;
        PyObject *record = WireRecords_item(records, i);
        if (!record || PyList_Append(found, record) < 0) Py_CLEAR(found);
        Py_XDECREF(record);
    }
    return found ? Py_BuildValue("Nn", found, replayed) : NULL;
}
