/* Which totals the judge reads, of a batch as it came over the wire: pipeline.alerts.worth_judging. */

static int text_is(Text text, const char *word) { return text.size == (int32_t)strlen(word) && memcmp(text.at, word, (size_t)text.size) == 0; }

static int holds_text(Text text, const char *word) { return memmem(text.at, (size_t)text.size, word, strlen(word)) != NULL; }

/* As `may_be_judged` there: `campaign_key|||basis|window|start_s`. */
static int total_may_be_judged(Text key, Text value) {
    int32_t bars[4], found = 0; /* from the right */
    for (int32_t i = key.size - 1; i >= 0 && found < 4; i--)
        if (key.at[i] == '|') bars[found++] = i;
    if (found < 4 || bars[2] != bars[3] + 1 || bars[3] == 0 || key.at[bars[3] - 1] != '|') return 0;
    Text window = {key.at + bars[1] + 1, bars[0] - bars[1] - 1}, basis = {key.at + bars[2] + 1, bars[1] - bars[2] - 1};
    if (text_is(window, "1h")) return !holds_text(value, "\"is_final\":false");
    return text_is(window, "1d") && (!text_is(basis, "counted") || !holds_text(value, "\"daily_budget_micros\":null"));
}

static PyObject *native_worth_judging(PyObject *module, PyObject *args) {
    WireRecords *records;
    long long counted_to;
    if (!PyArg_ParseTuple(args, "O!L", &WireRecordsType, &records, &counted_to)) return NULL;
    PyObject *found = PyList_New(0);
    Py_ssize_t replayed = 0;
    for (Py_ssize_t i = 0; found && i < records->count; i++) {
        const Place *place = &records->at[i];
        if (place->offset <= counted_to) {
            replayed++;
            continue;
        }
        if (place->value.size < 0 || (place->key.size >= 0 && !total_may_be_judged(place->key, place->value))) continue;
        PyObject *record = WireRecords_item(records, i);
        if (!record || PyList_Append(found, record) < 0) Py_CLEAR(found);
        Py_XDECREF(record);
    }
    return found ? Py_BuildValue("Nn", found, replayed) : NULL;
}
