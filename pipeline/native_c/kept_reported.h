/* Rows of pipeline.reported_rows as the changelog has them: MessagePack, the measures one by one. */

static int put_msgpack_text(Buffer *buffer, PyObject *string) {
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(string, &size);
    if (!text) return -1;
    int head = size < 32           ? put_big_endian(buffer, (unsigned char)(0xa0 | size), 0, 0)
               : size <= UINT8_MAX ? put_big_endian(buffer, 0xd9, (uint64_t)size, 1)
               : size <= UINT16_MAX ? put_big_endian(buffer, 0xda, (uint64_t)size, 2)
                                    : put_big_endian(buffer, 0xdb, (uint64_t)size, 4);
    return head < 0 ? -1 : put_bytes(buffer, text, (size_t)size);
}

static int put_msgpack(Buffer *buffer, PyObject *object) {
    if (object == Py_None) return put_big_endian(buffer, 0xc0, 0, 0);
    if (PyBool_Check(object)) return put_big_endian(buffer, object == Py_True ? 0xc3 : 0xc2, 0, 0);
    if (PyUnicode_Check(object)) return put_msgpack_text(buffer, object);
    int64_t number = PyLong_AsLongLong(object);
    return number == -1 && PyErr_Occurred() ? -1 : put_number(buffer, number);
}

static PyObject *kept_reported_row(Buffer *buffer, PyObject *row) {
    PyObject *figures = PyList_GET_ITEM(row, REPORTED_FIGURES);
    buffer->size = 0;
    if (put_big_endian(buffer, 0xdc, REPORTED_FIGURES + MEASURES, 2) < 0) return NULL;
    for (int i = 0; i < REPORTED_FIGURES; i++)
        if (put_msgpack(buffer, PyList_GET_ITEM(row, i)) < 0) return NULL;
    for (int i = 0; i < MEASURES; i++)
        if (put_msgpack(buffer, PyTuple_GET_ITEM(figures, i)) < 0) return NULL;
    return PyBytes_FromStringAndSize(buffer->at, (Py_ssize_t)buffer->size);
}

static PyObject *kept_reported_key(Buffer *buffer, PyObject *key) {
    int done = put_row_name(buffer, key, NULL);
    if (!done) PyErr_SetString(PyExc_OverflowError, "no plain key of a row");
    return done <= 0 ? NULL : PyBytes_FromStringAndSize(buffer->at, (Py_ssize_t)buffer->size);
}

static PyObject *native_kept_reported(PyObject *module, PyObject *changed) {
    Buffer buffer = {0};
    PyObject *row;
    Py_ssize_t place = 0, number = 0;
    if (!PyDict_CheckExact(changed)) return PyErr_Format(PyExc_TypeError, "rows are in a dict");
    PyObject *found = PyList_New(PyDict_GET_SIZE(changed)), *name;
    while (found && PyDict_Next(changed, &place, &name, &row)) {
        PyObject *key = NULL, *value = NULL, *pair = NULL;
        if (!is_reported_row(row)) PyErr_SetString(PyExc_TypeError, "not a row of a report");
        else if ((key = kept_reported_key(&buffer, PyList_GET_ITEM(row, REPORTED_KEY))) && (value = kept_reported_row(&buffer, row)))
            pair = uncollected(PyTuple_Pack(2, key, value));
        if (pair) PyList_SET_ITEM(found, number++, pair);
        else Py_CLEAR(found);
        Py_XDECREF(key);
        Py_XDECREF(value);
    }
    PyMem_RawFree(buffer.at);
    return found;
}
