/* Records of rows whose frame is known, where they lie in the bytes of a fetch: the loop of pipeline.reported_known.
 *
 * Nothing is touched before a record is understood to its end: what is not plain is left to Python as it is.
 */

typedef struct {
    PyObject *prefix, *fetched_at, *frames, *campaigns, *topic, *text, *outputs, *changed; /* borrowed */
    long long place_number, fetched_at_ms, order_base;
    int order_bits;
    Py_ssize_t unchanged, revised;
    TotalBuffers buffers;
    CutText cut; /* of the text, once a total is written */
} KnownRun;

static void put_item(PyObject *row, int place, PyObject *item) {
    PyObject *before = PyList_GET_ITEM(row, place);
    PyList_SET_ITEM(row, place, item);
    Py_DECREF(before);
}

/* The row that stands as records of this frame say it does, borrowed; NULL: there is none, or with an exception. */
static PyObject *row_of_frame(const KnownRun *run, const Place *record, const Parts *parts) {
    int64_t last_ms, until_ms;
    PyObject *number = PyLong_FromLongLong(frame_number_of(run->place_number, record->key, parts->before, parts->after));
    PyObject *row = number ? PyDict_GetItemWithError(run->frames, number) : NULL;
    Py_XDECREF(number);
    if (!row || !is_reported_row(row) || PyList_GET_SIZE(row) != REPORTED_WIDTH) return NULL;
    if (!plain_number(PyList_GET_ITEM(row, REPORTED_FETCHED_AT), &last_ms) || !plain_number(PyList_GET_ITEM(row, REPORTED_SAME_UNTIL), &until_ms)) return NULL;
    return last_ms <= run->fetched_at_ms && run->fetched_at_ms < until_ms ? row : NULL;
}

/* The new figures, sharing with the old what is as it was. */
static PyObject *tuple_of_figures(PyObject *before, const int64_t *figures) {
    PyObject *made = PyTuple_New(MEASURES);
    for (int i = 0; made && i < MEASURES; i++) {
        int64_t old;
        PyObject *known = PyTuple_GET_ITEM(before, i);
        PyObject *number = plain_number(known, &old) && old == figures[i] ? Py_NewRef(known) : PyLong_FromLongLong(figures[i]);
        if (number) PyTuple_SET_ITEM(made, i, number);
        else Py_CLEAR(made);
    }
    return uncollected(made);
}

static int has_figures(PyObject *row, const int64_t *figures) {
    PyObject *known = PyList_GET_ITEM(row, REPORTED_FIGURES);
    for (int i = 0; i < MEASURES; i++) {
        int64_t number;
        if (!plain_number(PyTuple_GET_ITEM(known, i), &number) || number != figures[i]) return 0;
    }
    return 1;
}

static PyObject *output_of_total(PyObject *topic, const TotalBuffers *buffers) {
    PyObject *key = PyBytes_FromStringAndSize(buffers->name.at, (Py_ssize_t)buffers->name.size);
    PyObject *value = PyBytes_FromStringAndSize(buffers->value.at, (Py_ssize_t)buffers->value.size);
    PyObject *output = key && value ? uncollected(PyTuple_Pack(3, topic, key, value)) : NULL;
    Py_XDECREF(key);
    Py_XDECREF(value);
    return output;
}

/* Everything is made before anything is put in its place. */
static int put_revision(KnownRun *run, PyObject *row, const Revision *revision, PyObject *seen) {
    PyObject *output = output_of_total(run->topic, &run->buffers), *order = PyLong_FromLongLong(revision->order);
    PyObject *number = PyLong_FromLongLong(revision->revision), *figures = tuple_of_figures(PyList_GET_ITEM(row, REPORTED_FIGURES), revision->figures);
    int failed = !output || !order || !number || !figures ||
                 PyDict_SetItem(run->changed, PyList_GET_ITEM(row, REPORTED_KEY), row) < 0 || PyList_Append(run->outputs, output) < 0;
    Py_XDECREF(output);
    if (failed) {
        Py_XDECREF(order);
        Py_XDECREF(number);
        Py_XDECREF(figures);
        return -1;
    }
    put_item(row, REPORTED_ORDER, order);
    put_item(row, REPORTED_REVISION, number);
    put_item(row, REPORTED_FIGURES, figures);
    put_item(row, REPORTED_SEEN, Py_NewRef(seen));
    put_item(row, REPORTED_FETCHED_AT, Py_NewRef(run->fetched_at));
    run->revised++;
    return 1;
}

/* Other bytes than last time: other figures, mostly. */
static int count_figures(KnownRun *run, PyObject *row, int64_t offset, Text figures, PyObject *seen) {
    Revision revision;
    PyObject *campaign_key = PyTuple_GET_ITEM(PyList_GET_ITEM(row, REPORTED_KEY), OF_CAMPAIGN);
    if (PyList_GET_ITEM(row, REPORTED_NAMED) != Py_True || !read_figures(figures, revision.figures)) return 0;
    if (has_figures(row, revision.figures)) {
        put_item(row, REPORTED_SEEN, Py_NewRef(seen));
        put_item(row, REPORTED_FETCHED_AT, Py_NewRef(run->fetched_at));
        run->unchanged++;
        return 1;
    }
    if (offset < 0 || offset + 1 >= 1LL << run->order_bits || run->order_base > INT64_MAX >> 3) return 0;
    if (!plain_number(PyList_GET_ITEM(row, REPORTED_REVISION), &revision.revision)) return 0;
    revision.revision++;
    revision.offset = offset;
    revision.order = run->order_base | (offset + 1);
    revision.fetched_at_ms = run->fetched_at_ms;
    PyObject *campaign = PyDict_GetItemWithError(run->campaigns, campaign_key);
    if (!campaign && PyErr_Occurred()) return -1;
    if (!run->cut.bytes && cut_text(&run->cut, run->text) < 0) return -1;
    int written = write_total(&run->buffers, &run->cut, row, campaign, &revision);
    return written <= 0 ? written : put_revision(run, row, &revision, seen);
}

/* 1: counted; 0: Python has to look at it, nothing was changed; -1: an exception. */
static int count_known(KnownRun *run, const Place *record) {
    Parts parts;
    Py_ssize_t head = PyBytes_GET_SIZE(run->prefix);
    if (record->value.size < head || memcmp(record->value.at, PyBytes_AS_STRING(run->prefix), (size_t)head) != 0) return 0;
    if (!cut_record(record->value, head, &parts)) return 0;
    PyObject *row = row_of_frame(run, record, &parts);
    if (!row) return PyErr_Occurred() ? -1 : 0;
    int64_t known, found = figures_number_of(parts.figures);
    if (plain_number(PyList_GET_ITEM(row, REPORTED_SEEN), &known) && known == found) {
        put_item(row, REPORTED_FETCHED_AT, Py_NewRef(run->fetched_at));
        run->unchanged++;
        return 1;
    }
    PyObject *seen = PyLong_FromLongLong(found);
    int counted = seen ? count_figures(run, row, record->offset, parts.figures, seen) : -1;
    Py_XDECREF(seen);
    return counted;
}

static int count_known_object(KnownRun *run, PyObject *record) {
    PyObject *key = PyObject_GetAttr(record, s_key), *value = key ? PyObject_GetAttr(record, s_value) : NULL;
    Place place;
    int counted = -1;
    if (value && int_attribute(record, s_offset, &place.offset) == 0) {
        place.key = text_of_bytes(key);
        place.value = text_of_bytes(value);
        counted = count_known(run, &place);
    }
    Py_XDECREF(key);
    Py_XDECREF(value);
    return counted;
}

/* Counts from `*position` on and moves it; -1 with an exception. */
static int count_all_known(KnownRun *run, PyObject *records, Py_ssize_t *position) {
    int more = 1;
    if (Py_IS_TYPE(records, &WireRecordsType)) {
        const WireRecords *wire = (const WireRecords *)records;
        while (*position < wire->count && (more = count_known(run, &wire->at[*position])) > 0) ++*position;
        return more;
    }
    PyObject *list = PySequence_Fast(records, "records are a sequence");
    if (!list) return -1;
    while (*position < PySequence_Fast_GET_SIZE(list) && (more = count_known_object(run, PySequence_Fast_GET_ITEM(list, *position))) > 0)
        ++*position;
    Py_DECREF(list);
    return more;
}

static PyObject *native_known_rows(PyObject *module, PyObject *args) {
    PyObject *records;
    Py_ssize_t position;
    KnownRun run = {0};
    if (!PyArg_ParseTuple(args, "On(SLOLi)O!O!(US)O!O!", &records, &position, &run.prefix, &run.place_number, &run.fetched_at, &run.order_base,
                          &run.order_bits, &PyDict_Type, &run.frames, &PyDict_Type, &run.campaigns, &run.topic, &run.text, &PyList_Type, &run.outputs,
                          &PyDict_Type, &run.changed))
        return NULL;
    run.fetched_at_ms = PyLong_AsLongLong(run.fetched_at);
    if ((run.fetched_at_ms == -1 && PyErr_Occurred()) || position < 0) return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_IndexError, "no such record");
    int counted = count_all_known(&run, records, &position);
    Buffer *buffers[] = {&run.buffers.name, &run.buffers.budget_id, &run.buffers.value};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) PyMem_RawFree(buffers[i]->at);
    PyMem_RawFree(run.cut.bytes);
    return counted < 0 ? NULL : Py_BuildValue("nnn", position, run.unchanged, run.revised);
}
