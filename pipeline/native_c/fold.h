/* What panes have counted, into the rows of windows: the loop of pipeline.counted_fold.Fold, on the same objects. */

enum { MOST_PLACES = 8 };

static Field pane_ad = {"ad_id"}, pane_campaign = {"campaign"}, pane_minute = {"minute_ms"}, pane_targets = {"targets"},
             pane_folded = {"was_folded"}, slot_rows = {"rows"},
             slot_early = {"is_early"}, slot_pushed = {"is_pushed"};

typedef struct {
    PyObject *slot, *rows; /* borrowed of the tuple of places */
    long flags; /* -1: no row may begin there */
    int is_early;
} FoldPlace;

typedef struct {
    NotedRows *changed, *live, *dirty;
    PyObject *corrected; /* by the address of the row */
    PyObject *clock, *places_at, *watch_late, *targets_of; /* of Python */
    int64_t order_base, guard_to;
    /* Where the minute of a zone is counted, as last asked. */
    PyObject *zone, *places; /* owned */
    int64_t minute_ms;
    FoldPlace at[2][MOST_PLACES]; /* for ads, for campaigns */
    int count[2], has_others;
    /* The pane in hand. */
    PyObject *pane, *campaign, *order, *as_of; /* borrowed but for the order */
    int64_t offset, order_number, as_of_ms;
    PyObject *added[MEASURES]; /* borrowed */
    int64_t gained[MEASURES];
    int measures; /* up to the last that is not 0 */
} Fold;

static int note_corrected(Fold *fold, Target target) {
    PyObject *address = PyLong_FromVoidPtr(target.row), *tuple = target_tuple(&target);
    int failed = !address || !tuple || PyDict_SetItem(fold->corrected, address, tuple) < 0;
    Py_XDECREF(address);
    Py_XDECREF(tuple);
    return failed ? -1 : 0;
}

static int read_places(Fold *fold, int of_campaigns) {
    PyObject *places = PyTuple_GetItem(fold->places, of_campaigns);
    fold->count[of_campaigns] = 0;
    if (!places) return -1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(places); i++) {
        PyObject *place = PyTuple_GET_ITEM(places, i), *slot = PyTuple_GET_ITEM(place, 0), *flags = PyTuple_GET_ITEM(place, 1);
        PyObject *rows = get_field(&slot_rows, slot), *early = get_field(&slot_early, slot);
        if (!rows || !early || i >= MOST_PLACES) return -1;
        FoldPlace found = {slot, rows, flags == Py_None ? -1 : PyLong_AsLong(flags), early == Py_True};
        fold->at[of_campaigns][fold->count[of_campaigns]++] = found;
        if (PyTuple_GET_SIZE(PyTuple_GET_ITEM(place, 2))) fold->has_others = 1;
    }
    return 0;
}

/* Python knows the hours and days of zones; most panes that follow each other are of one zone and minute. */
static int find_places(Fold *fold, PyObject *zone, PyObject *minute) {
    int64_t minute_ms = PyLong_AsLongLong(minute);
    if (fold->places && fold->zone == zone && fold->minute_ms == minute_ms) return 0;
    Py_XDECREF(fold->places);
    Py_XDECREF(fold->zone);
    fold->zone = Py_NewRef(zone);
    fold->minute_ms = minute_ms;
    fold->has_others = 0;
    fold->places = PyObject_CallFunctionObjArgs(fold->places_at, zone, minute, fold->clock, NULL);
    return !fold->places || read_places(fold, 0) < 0 || read_places(fold, 1) < 0 ? -1 : 0;
}

/* A new row of what the pane in hand has counted. */
static PyObject *first_row(Fold *fold) {
    PyObject *row = uncollected(PyList_New(ROW_GAINED + fold->measures)), *zero = PyLong_FromLong(0);
    if (!row || !zero) {
        Py_XDECREF(row);
        Py_XDECREF(zero);
        return NULL;
    }
    PyList_SET_ITEM(row, ROW_ORDER, Py_NewRef(fold->order));
    PyList_SET_ITEM(row, ROW_AS_OF, Py_NewRef(fold->as_of));
    PyList_SET_ITEM(row, ROW_REVISION, Py_NewRef(zero));
    PyList_SET_ITEM(row, ROW_FLAGS, zero);
    for (int i = 0; i < fold->measures; i++) PyList_SET_ITEM(row, ROW_GAINED + i, Py_NewRef(fold->added[i]));
    return row;
}

static int set_flags(PyObject *row, long flags) {
    PyObject *number = PyLong_FromLong(flags);
    return number ? PyList_SetItem(row, ROW_FLAGS, number) : -1;
}

/* A row begins at this place; adds nothing to `found`, since the row begins with what the pane has counted. */
static int begin_row(Fold *fold, const FoldPlace *place, PyObject *name, int of_campaign) {
    PyObject *row = first_row(fold), *pushed;
    Target target = {place->slot, name, row, fold->campaign};
    int failed = !row || PyDict_SetItem(place->rows, name, row) < 0 || note_row(fold->changed, target) < 0;
    if (!failed && place->flags)
        failed = set_flags(row, place->flags | CORRECTED) < 0 || note_corrected(fold, target) < 0;
    else if (!failed)
        failed = note_row(of_campaign && place->is_early ? fold->live : fold->dirty, target) < 0;
    if (!failed && (pushed = get_field(&slot_pushed, place->slot)) && pushed == Py_True) {
        PyObject *done = PyObject_CallFunctionObjArgs(fold->watch_late, place->slot, fold->as_of, NULL);
        Py_XDECREF(done);
    }
    Py_XDECREF(row);
    return failed || PyErr_Occurred() ? -1 : 0;
}

static PyObject *pane_name(PyObject *campaign, PyObject *ad_id) {
    PyObject *key = get_field(&campaign_key, campaign);
    if (!key) return NULL;
    return ad_id == Py_None || PyUnicode_GET_LENGTH(ad_id) == 0 ? Py_NewRef(key) : PyUnicode_FromFormat("%U|%U", key, ad_id);
}

/* The rows of the pane that were there, as (slot, name, row); the others begin. A new list. */
static PyObject *find_rows(Fold *fold) {
    PyObject *ad_id = get_field(&pane_ad, fold->pane), *campaign = fold->campaign;
    PyObject *zone = get_field(&campaign_fields[ZONE_OF], campaign), *minute = get_field(&pane_minute, fold->pane);
    PyObject *folded = get_field(&pane_folded, fold->pane);
    if (!ad_id || !zone || !minute || !folded || find_places(fold, zone, minute) < 0) return NULL;
    if (fold->has_others) { /* the rules of a zone have changed: seldom enough for Python */
        PyObject *first = first_row(fold), *found = first ? PyObject_CallFunctionObjArgs(fold->targets_of, fold->pane, first, fold->clock, NULL) : NULL;
        Py_XDECREF(first);
        return found;
    }
    int of_campaign = ad_id == Py_None, begun = 0;
    PyObject *name = pane_name(campaign, ad_id), *found = PyList_New(0);
    int failed = !name || !found;
    for (int i = 0; !failed && i < fold->count[of_campaign]; i++) {
        const FoldPlace *place = &fold->at[of_campaign][i];
        PyObject *row = PyDict_GetItemWithError(place->rows, name);
        if (row) {
            PyObject *target = uncollected(PyTuple_Pack(3, place->slot, name, row));
            failed = !target || PyList_Append(found, target) < 0;
            Py_XDECREF(target);
        } else if (PyErr_Occurred())
            failed = 1;
        else if (place->flags >= 0) {
            begun = 1;
            failed = begin_row(fold, place, name, of_campaign) < 0;
        }
    }
    if (!failed && folded == Py_True && !begun) failed = set_field(&pane_targets, fold->pane, found) < 0;
    if (!failed) failed = set_field(&pane_folded, fold->pane, Py_True) < 0;
    Py_XDECREF(name);
    if (failed) Py_CLEAR(found);
    return found;
}

static int add_measures(Fold *fold, PyObject *row) {
    while (PyList_GET_SIZE(row) < ROW_GAINED + fold->measures) { /* a measure this row meets for the first time */
        PyObject *zero = PyLong_FromLong(0);
        int failed = !zero || PyList_Append(row, zero) < 0;
        Py_XDECREF(zero);
        if (failed) return -1;
    }
    for (int i = 0; i < fold->measures; i++) {
        if (!fold->gained[i]) continue;
        PyObject *known = PyList_GET_ITEM(row, ROW_GAINED + i), *sum;
        int overflow;
        int64_t number = PyLong_AsLongLongAndOverflow(known, &overflow), total;
        if (overflow || __builtin_add_overflow(number, fold->gained[i], &total)) total = INT64_MAX; /* schemas.measures.MOST */
        sum = PyLong_FromLongLong(total);
        if (!sum || PyList_SetItem(row, ROW_GAINED + i, sum) < 0) return -1;
    }
    return 0;
}

static int add_to_row(Fold *fold, Target target, int of_campaign) {
    PyObject *row = target.row, *early;
    if (fold->order_number > PyLong_AsLongLong(PyList_GET_ITEM(row, ROW_ORDER))) { /* panes of one batch come in any order */
        if (PyList_SetItem(row, ROW_ORDER, Py_NewRef(fold->order)) < 0) return -1;
    } else if (fold->offset <= fold->guard_to)
        return 0; /* read again after a restart: this row was further than the others */
    if (fold->as_of_ms > PyLong_AsLongLong(PyList_GET_ITEM(row, ROW_AS_OF)) && PyList_SetItem(row, ROW_AS_OF, Py_NewRef(fold->as_of)) < 0)
        return -1;
    if (PyErr_Occurred() || add_measures(fold, row) < 0 || note_row(fold->changed, target) < 0) return -1;
    long flags = PyLong_AsLong(PyList_GET_ITEM(row, ROW_FLAGS));
    if (flags & FINAL) return set_flags(row, flags | CORRECTED) < 0 ? -1 : note_corrected(fold, target);
    if (of_campaign && !(early = get_field(&slot_early, target.slot))) return -1;
    return note_row(of_campaign && early == Py_True ? fold->live : fold->dirty, target);
}

static int fold_pane(Fold *fold) {
    PyObject *targets = get_field(&pane_targets, fold->pane), *ad_id = get_field(&pane_ad, fold->pane);
    fold->campaign = get_field(&pane_campaign, fold->pane);
    if (!targets || !ad_id || !fold->campaign) return -1;
    targets = PyList_CheckExact(targets) && PyList_GET_SIZE(targets) ? Py_NewRef(targets) : find_rows(fold);
    int failed = !targets;
    Target target;
    for (Py_ssize_t i = 0; !failed && i < PyList_GET_SIZE(targets); i++) {
        failed = read_target(PyList_GET_ITEM(targets, i), &target) < 0;
        target.campaign = fold->campaign;
        failed = failed || add_to_row(fold, target, ad_id == Py_None) < 0;
    }
    Py_XDECREF(targets);
    return failed ? -1 : 0;
}

/* `drained`: (pane, offset, as_of_ms, measures), as pipeline.counted_panes.Drained. */
static int fold_drained(Fold *fold, PyObject *drained) {
    PyObject *measures;
    long long offset;
    if (!PyArg_ParseTuple(drained, "OLOO!", &fold->pane, &offset, &fold->as_of, &PyList_Type, &measures)) return -1;
    if (PyList_GET_SIZE(measures) > MEASURES) return PyErr_SetString(PyExc_ValueError, "too many measures"), -1;
    fold->offset = offset;
    fold->order_number = fold->order_base + offset;
    fold->as_of_ms = PyLong_AsLongLong(fold->as_of);
    fold->measures = 0;
    for (int i = 0; i < (int)PyList_GET_SIZE(measures); i++) {
        fold->added[i] = PyList_GET_ITEM(measures, i);
        if ((fold->gained[i] = PyLong_AsLongLong(fold->added[i]))) fold->measures = i + 1;
    }
    if (PyErr_Occurred() || !(fold->order = PyLong_FromLongLong(fold->order_number))) return -1;
    int failed = fold_pane(fold);
    Py_DECREF(fold->order);
    return failed;
}

static PyObject *native_fold(PyObject *module, PyObject *args) {
    Fold fold = {0};
    PyObject *all;
    long long order_base, guard_to;
    if (!PyArg_ParseTuple(args, "O!LLO!O!O!O!OOOO", &PyList_Type, &all, &order_base, &guard_to, &NotedRowsType, &fold.changed,
                          &NotedRowsType, &fold.live, &NotedRowsType, &fold.dirty, &PyDict_Type, &fold.corrected, &fold.clock,
                          &fold.places_at, &fold.watch_late, &fold.targets_of))
        return NULL;
    fold.order_base = order_base;
    fold.guard_to = guard_to;
    int failed = 0;
    for (Py_ssize_t i = 0; !failed && i < PyList_GET_SIZE(all); i++) failed = fold_drained(&fold, PyList_GET_ITEM(all, i));
    Py_XDECREF(fold.places);
    Py_XDECREF(fold.zone);
    if (failed) return NULL;
    Py_RETURN_NONE;
}
