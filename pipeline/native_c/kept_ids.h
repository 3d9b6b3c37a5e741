/* A chunk of event ids of the changelog into the memory of them: see pipeline.event_ids.EventIds.load. */

enum { IDS_AHEAD = 32 };

/* [order, hour, [id ...]], with ids of ASCII; 0 when it is anything else. */
static int read_chunk(const char *p, const char *end, int64_t *hour, const char **ids, int64_t *count) {
    int64_t fields, order;
    Text id;
    if (!(p = msgpack_array(p, end, &fields)) || fields != 3 || !(p = msgpack_int(p, end, &order))) return 0;
    if (!(p = msgpack_int(p, end, hour)) || *hour < 0 || *hour > INT32_MAX || !(p = msgpack_array(p, end, count))) return 0;
    *ids = p;
    for (int64_t i = 0; i < *count; i++) {
        if (!(p = msgpack_string(p, end, &id))) return 0;
        unsigned char bits = 0;
        for (int32_t at = 0; at < id.size; at++) bits |= (unsigned char)id.at[at];
        if (bits & 0x80) return 0;
    }
    return p == end;
}

static PyObject *note_ids(PyObject *module, PyObject *args) {
    int64_t hour, count, news = 0;
    const char *ids;
    PyObject *memory, *value;
    if (!PyArg_ParseTuple(args, "O!S", &IdMemoryType, &memory, &value)) return NULL;
    const char *end = PyBytes_AS_STRING(value) + PyBytes_GET_SIZE(value);
    if (!read_chunk(PyBytes_AS_STRING(value), end, &hour, &ids, &count)) Py_RETURN_NONE;
    IdMemory *self = (IdMemory *)memory;
    for (int64_t done = 0; done < count; done += IDS_AHEAD) {
        int ahead = count - done < IDS_AHEAD ? (int)(count - done) : IDS_AHEAD;
        Hash hashes[IDS_AHEAD];
        for (int i = 0; i < ahead; i++) { /* the place of each comes out of the memory while the next are read */
            Text id = {ids, 0};
            ids = msgpack_string(ids, end, &id);
            hashes[i] = hash_of(id.at, (size_t)id.size);
            __builtin_prefetch(&self->at[hashes[i].a & (self->slots - 1)], 1);
        }
        for (int i = 0; i < ahead; i++) {
            int64_t known = id_memory_note_hash(self, hashes[i], (int32_t)hour);
            if (known == -2) return NULL;
            news += known < hour;
        }
    }
    return Py_BuildValue("LL", (long long)hour, (long long)news);
}

static PyMethodDef restore_functions[] = {
    {"place_rows", (PyCFunction)place_rows, METH_VARARGS, "See pipeline.counted_restore."},
    {"note_ids", (PyCFunction)note_ids, METH_VARARGS, "Note a chunk of ids: (hour, new ones), or None when it is an odd one."},
    {NULL}};
