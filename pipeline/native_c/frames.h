/* By what numbers frames and figures are known (pipeline.reported_frames): 64 bits of SipHash, keyed as Python keys its own. */

static uint64_t frame_keys[2];

/* Python's hash of bytes has a key that is new in every process, and nobody learns it from a hash. */
static int make_frame_keys(void) {
    static const char *const seeds[] = {"frames of reported rows", "figures of reported rows"};
    for (int i = 0; i < 2; i++) {
        PyObject *seed = PyBytes_FromString(seeds[i]);
        Py_hash_t hash = seed ? PyObject_Hash(seed) : -1;
        Py_XDECREF(seed);
        if (hash == -1) return -1;
        frame_keys[i] = (uint64_t)hash;
    }
    return 0;
}

static Hash frame_hash(const void *data, size_t size) { return keyed_hash(frame_keys[0], frame_keys[1], data, size); }

/* The size is hashed with the bytes, and stands for none where there is no key. */
static int64_t frame_number_of(int64_t place_number, Text key, Text before, Text after) {
    struct { int64_t place, key_size; Hash key, before, after; } parts;
    memset(&parts, 0, sizeof parts);
    parts.place = place_number;
    parts.key_size = key.size;
    if (key.size >= 0) parts.key = frame_hash(key.at, (size_t)key.size);
    parts.before = frame_hash(before.at, (size_t)before.size);
    parts.after = frame_hash(after.at, (size_t)after.size);
    return (int64_t)frame_hash(&parts, sizeof parts).a;
}

static int64_t figures_number_of(Text figures) { return (int64_t)frame_hash(figures.at, (size_t)figures.size).a; }

static PyObject *native_frame_number(PyObject *module, PyObject *args) {
    long long place_number;
    PyObject *key, *before, *after;
    if (!PyArg_ParseTuple(args, "LOSS", &place_number, &key, &before, &after)) return NULL;
    if (key != Py_None && !PyBytes_Check(key)) return PyErr_Format(PyExc_TypeError, "a key is bytes or None");
    return PyLong_FromLongLong(frame_number_of(place_number, text_of_bytes(key), text_of_bytes(before), text_of_bytes(after)));
}

static PyObject *native_figures_number(PyObject *module, PyObject *figures) {
    if (!PyBytes_Check(figures)) return PyErr_Format(PyExc_TypeError, "figures are bytes");
    return PyLong_FromLongLong(figures_number_of(text_of_bytes(figures)));
}
