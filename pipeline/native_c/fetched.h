/* The record batches of one partition in one fetch, together, as long as they are plain.
 *
 * A batch is plain when it is of message format 2, whole and undamaged, with timestamps of its producer, not part of a
 * transaction, not compressed or by LZ4. At the first that is not this stops: aiokafka reads that one, or says what is
 * wrong with it.
 */

/* JSON of one form becomes so many times smaller, and more; below the other, growing costs less than a good guess. */
enum { JSON_RATIO = 16, GUESSED_FROM = 128 << 10 };
enum { BATCH_HEADER = 61, LENGTH_ENDS = 12, CHECKED_FROM = 21, LZ4 = 3 };

static int64_t big(const unsigned char *p, int bytes) {
    uint64_t number = 0;
    for (int i = 0; i < bytes; i++) number = number << 8 | p[i];
    return (int64_t)(number << (64 - 8 * bytes)) >> (64 - 8 * bytes);
}

typedef struct { int64_t offset, next_offset, first_ms, newest_ms, count; size_t size; int codec; } BatchHead;

/* Whether a plain batch lies at `p`. */
static int read_head(const unsigned char *p, size_t left, BatchHead *head) {
    if (left < BATCH_HEADER) return 0;
    int64_t length = big(p + 8, 4), attributes = big(p + 21, 2), last = big(p + 23, 4);
    if (length < BATCH_HEADER - LENGTH_ENDS || (uint64_t)length > left - LENGTH_ENDS || p[16] != 2) return 0;
    head->codec = attributes & 7;
    if (attributes & ~(int64_t)7 || (head->codec && head->codec != LZ4)) return 0;
    head->size = (size_t)length + LENGTH_ENDS;
    head->offset = big(p, 8);
    head->count = big(p + 57, 4);
    if (head->offset < 0 || last < 0 || head->count < 0 || head->offset > INT64_MAX - last - 1) return 0;
    head->next_offset = head->offset + last + 1;
    head->first_ms = big(p + 27, 8);
    head->newest_ms = big(p + 35, 8);
    return 1;
}

/* likely: bytes that will be unpacked, as far as one can tell; bytes: of all records */
typedef struct { PyObject *batches, *data; Unpacked out; size_t likely; int64_t bytes; } Fetched;

/* Adds a batch. Where its records are unpacked the buffer is filled in later, for it moves as it grows. */
static int add_batch(Fetched *self, const unsigned char *p, const BatchHead *head) {
    const unsigned char *start = (const unsigned char *)PyBytes_AS_STRING(self->data);
    size_t from = (size_t)(p - start) + BATCH_HEADER, to = (size_t)(p - start) + head->size;
    PyObject *buffer = self->data;
    if (head->codec == LZ4) {
        size_t before = self->out.size;
        if (!self->out.bytes && !room_for(&self->out, self->likely)) return -1; /* once, instead of growing and moving */
        if (!unpack_frame(p + BATCH_HEADER, p + head->size, &self->out, LARGEST_UNPACKED)) {
            self->out.size = before;
            return PyErr_Occurred() ? -1 : 0;
        }
        from = before, to = self->out.size, buffer = Py_None;
    }
    PyObject *batch = Py_BuildValue("OnnLLn", buffer, (Py_ssize_t)from, (Py_ssize_t)to, (long long)head->offset,
                                    (long long)head->first_ms, (Py_ssize_t)head->count);
    int added = batch ? PyList_Append(self->batches, batch) : -1;
    self->bytes += (int64_t)(to - from);
    Py_XDECREF(batch);
    return added < 0 ? -1 : 1;
}

/* The bytes that were unpacked, for the batches that wait for them. */
static int fill_in(Fetched *self) {
    PyObject *bytes = NULL;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(self->batches); i++) {
        PyObject *batch = PyList_GET_ITEM(self->batches, i);
        if (PyTuple_GET_ITEM(batch, 0) != Py_None) continue;
        if (!bytes && !(bytes = take_unpacked(&self->out))) return -1;
        Py_DECREF(Py_None);
        PyTuple_SET_ITEM(batch, 0, Py_NewRef(bytes));
    }
    Py_XDECREF(bytes);
    return 0;
}

/* plain_batches(data, at, first offset, most records, most bytes) -> batches, at, next offset, newest ms */
static PyObject *native_plain_batches(PyObject *Py_UNUSED(module), PyObject *args) {
    Py_ssize_t at;
    long long next_offset;
    int64_t most, most_bytes = INT64_MAX, records = 0, newest_ms = -1;
    Fetched self = {0};
    if (!PyArg_ParseTuple(args, "SnLL|L", &self.data, &at, &next_offset, &most, &most_bytes)) return NULL;
    Py_ssize_t size = PyBytes_GET_SIZE(self.data);
    if (at < 0 || at > size) return PyErr_Format(PyExc_IndexError, "behind the end");
    if (!(self.batches = PyList_New(0))) return NULL;
    BatchHead head;
    PyObject *found = NULL;
    self.likely = (size_t)(size - at) * JSON_RATIO;
    if (self.likely > (uint64_t)most_bytes) self.likely = (size_t)most_bytes;
    if (self.likely < GUESSED_FROM) self.likely = 0;
    for (; records < most && self.bytes < most_bytes; at += (Py_ssize_t)head.size) {
        const unsigned char *p = (const unsigned char *)PyBytes_AS_STRING(self.data) + at;
        if (!read_head(p, (size_t)(size - at), &head) || head.offset < next_offset) break;
        if (checksum(p + CHECKED_FROM, head.size - CHECKED_FROM) != (uint32_t)big(p + 17, 4)) break;
        int added = add_batch(&self, p, &head);
        if (added < 0) goto done;
        if (!added) break;
        next_offset = head.next_offset;
        records += head.count;
        if (head.newest_ms > newest_ms) newest_ms = head.newest_ms;
    }
    if (fill_in(&self) == 0) found = Py_BuildValue("OnLL", self.batches, at, next_offset, (long long)newest_ms);
done:
    Py_XDECREF(self.out.bytes);
    Py_DECREF(self.batches);
    return found;
}
