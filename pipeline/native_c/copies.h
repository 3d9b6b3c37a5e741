/* The newest copy of every row of a changelog, and who holds copies: what pipeline.copies.Copies does in Python.
 *
 * Keys and values lie one after the other in one block of memory, so that nothing is left in pieces when it is freed;
 * entries stand in the order in which their keys came. Batches are read without the interpreter: others run meanwhile.
 */

#ifdef __GLIBC__
#include <malloc.h>
#endif

enum { LEAST_SLOTS = 64, SEPARATOR = 0x1e, EMPTY = 0, TAKEN = 1 };
enum { GONE, PICKED, NEWEST }; /* deleted; the value was taken out; there */
enum { NO_MEMORY = -1, RAISED = -2, BROKEN = -3 };
static const size_t LEAST_WASTE = 1 << 20;

typedef struct {
    uint64_t hash;
    size_t at; /* of the key; the value follows it */
    int32_t key_size, value_size, room; /* `room`: for a value */
    int32_t holder; /* the number of one assignment, or `~number` of a set of them */
    int state;
} Copy;

typedef struct {
    PyObject_HEAD
    char *block;
    size_t used, size, wasted;
    Copy *at;
    int32_t count, room, left; /* `left`: not gone, or not yet taken */
    int32_t *index; /* open addresses by the hash; -1: empty */
    size_t slots;
    Words names, sets; /* assignments; sets of them, each as an array of int32_t, in the order in which they came */
    /* After `forget_keys`, in place of all but names and sets: */
    uint64_t *numbers; /* EMPTY, TAKEN or what stands for a key */
    size_t number_slots;
    int32_t *holders;  /* of each slot; NULL while all have the same */
    int32_t only_holder;
    PyObject *is_newer; /* (value, value) -> whether the first is as new as the second: where C cannot tell */
    PyThreadState *resting; /* while the interpreter runs without us */
} Copies;

/* -- keys ---------------------------------------------------------------------------------------------------------- */

static int32_t find_copy(const Copies *self, Text key, uint64_t hash) {
    if (!self->slots) return -1;
    for (size_t slot = hash & (self->slots - 1);; slot = (slot + 1) & (self->slots - 1)) {
        int32_t found = self->index[slot];
        if (found < 0) return -1;
        const Copy *copy = &self->at[found];
        if (copy->hash == hash && copy->state != GONE && copy->key_size == key.size &&
            memcmp(self->block + copy->at, key.at, (size_t)key.size) == 0)
            return found;
    }
}

static void index_copies(Copies *self) {
    memset(self->index, 0xff, self->slots * sizeof *self->index);
    for (int32_t number = 0; number < self->count; number++) {
        size_t slot = self->at[number].hash & (self->slots - 1);
        while (self->index[slot] >= 0) slot = (slot + 1) & (self->slots - 1);
        self->index[slot] = number;
    }
}

/* Room for one more entry: what is gone makes room where that is worth it. */
static int room_for_copy(Copies *self) {
    if (self->count < self->room) return 0;
    int32_t kept = 0;
    if (self->left <= self->count / 2) {
        for (int32_t number = 0; number < self->count; number++)
            if (self->at[number].state != GONE) self->at[kept++] = self->at[number];
        self->count = kept;
    }
    if (self->count > self->room / 2 || !self->room) {
        if (self->room > INT32_MAX / 4) return NO_MEMORY;
        int32_t room = self->room ? self->room * 2 : LEAST_SLOTS / 2;
        Copy *at = PyMem_RawRealloc(self->at, (size_t)room * sizeof *at);
        if (!at) return NO_MEMORY;
        self->at = at;
        int32_t *index = PyMem_RawRealloc(self->index, (size_t)room * 2 * sizeof *index);
        if (!index) return NO_MEMORY;
        self->index = index;
        self->slots = (size_t)room * 2;
        self->room = room;
    }
    index_copies(self);
    return 0;
}

/* -- bytes --------------------------------------------------------------------------------------------------------- */

/* Only what is still there, in the same order. */
static int without_waste(Copies *self) {
    size_t size = self->used - self->wasted, used = 0;
    char *block = PyMem_RawMalloc(size + 1);
    if (!block) return NO_MEMORY;
    for (int32_t number = 0; number < self->count; number++) {
        Copy *copy = &self->at[number];
        if (copy->state == GONE) continue;
        size_t bytes = (size_t)copy->key_size + (size_t)copy->value_size;
        memcpy(block + used, self->block + copy->at, bytes);
        copy->at = used;
        copy->room = copy->value_size;
        used += bytes;
    }
    PyMem_RawFree(self->block);
    self->block = block;
    self->size = size + 1;
    self->used = used;
    self->wasted = 0;
    return 0;
}

static int room_for_bytes(Copies *self, size_t more) {
    if (self->wasted > LEAST_WASTE && self->wasted > self->used / 2 && without_waste(self) < 0) return NO_MEMORY;
    if (self->used + more <= self->size) return 0;
    size_t size = self->size + self->size / 2 + more + 4096;
    char *block = PyMem_RawRealloc(self->block, size);
    if (!block) return NO_MEMORY;
    self->block = block;
    self->size = size;
    return 0;
}

static int put_value(Copies *self, int32_t number, Text key, Text value) {
    Copy *copy = &self->at[number];
    if (copy->room < value.size) {
        if (room_for_bytes(self, (size_t)key.size + (size_t)value.size) < 0) return NO_MEMORY;
        self->wasted += copy->room < 0 ? 0 : (size_t)copy->key_size + (size_t)copy->room;
        copy->at = self->used;
        copy->key_size = key.size;
        copy->room = value.size;
        memcpy(self->block + self->used, key.at, (size_t)key.size);
        self->used += (size_t)key.size + (size_t)value.size;
    }
    memcpy(self->block + copy->at + copy->key_size, value.at, (size_t)value.size);
    copy->value_size = value.size;
    copy->state = NEWEST;
    return 0;
}

static int new_copy(Copies *self, Text key, uint64_t hash, int32_t name, Text value) {
    if (room_for_copy(self) < 0) return NO_MEMORY;
    int32_t number = self->count;
    self->at[number] = (Copy){.hash = hash, .key_size = key.size, .room = -1, .holder = name, .state = GONE};
    if (put_value(self, number, key, value) < 0) return NO_MEMORY;
    self->count++;
    self->left++;
    size_t slot = hash & (self->slots - 1);
    while (self->index[slot] >= 0) slot = (slot + 1) & (self->slots - 1);
    self->index[slot] = number;
    return 0;
}

/* -- holders ------------------------------------------------------------------------------------------------------- */

static int32_t holders_of(const Copies *self, int32_t holder, const int32_t **names) {
    const Word *set = &self->sets.at[~holder];
    *names = (const int32_t *)set->bytes;
    return set->size / (int32_t)sizeof **names;
}

/* `holder` with `name` behind the others, or without it. */
static int changed_holder(Copies *self, int32_t *holder, int32_t name, int has_it) {
    int32_t alone = *holder;
    const int32_t *names = &alone;
    int32_t count = alone < 0 ? holders_of(self, alone, &names) : 1, left = 0;
    int32_t *set = PyMem_RawMalloc(((size_t)count + 1) * sizeof *set);
    if (!set) return NO_MEMORY;
    for (int32_t i = 0; i < count; i++)
        if (has_it || names[i] != name) set[left++] = names[i];
    if (has_it) set[left++] = name;
    int32_t number = word_of(&self->sets, (const char *)set, left * (int32_t)sizeof *set);
    PyMem_RawFree(set);
    *holder = ~number;
    return number < 0 ? NO_MEMORY : 0;
}

static int is_holder(const Copies *self, int32_t holder, int32_t name) {
    const int32_t *names;
    if (holder >= 0) return holder == name;
    for (int32_t i = holders_of(self, holder, &names); i-- > 0;)
        if (names[i] == name) return 1;
    return 0;
}

static int is_last_holder(const Copies *self, int32_t holder, int32_t name) {
    const int32_t *names;
    if (holder >= 0) return holder == name;
    return holders_of(self, holder, &names) == 1 && names[0] == name;
}

/* -- records ------------------------------------------------------------------------------------------------------- */

static int is_newer_by_python(Copies *self, Text value, Text known) {
    if (self->resting) PyEval_RestoreThread(self->resting);
    PyObject *answer = PyObject_CallFunction(self->is_newer, "y#y#", value.at, (Py_ssize_t)value.size, known.at, (Py_ssize_t)known.size);
    int is_newer = answer ? PyObject_IsTrue(answer) : -1;
    Py_XDECREF(answer);
    if (self->resting) self->resting = PyEval_SaveThread();
    return is_newer < 0 ? RAISED : is_newer;
}

/* Of copies under several assignments the one with the higher order is newer, the later one if there are two. */
static int is_newer(Copies *self, const Copy *copy, Text value) {
    if (copy->state != NEWEST) return 1;
    Text known = {self->block + copy->at + copy->key_size, copy->value_size};
    int64_t count = 0, known_count = 0, order, known_order;
    const char *p = msgpack_array(value.at, value.at + value.size, &count);
    const char *q = msgpack_array(known.at, known.at + known.size, &known_count);
    if (!p || !q || !count || !known_count || !msgpack_int(p, value.at + value.size, &order) ||
        !msgpack_int(q, known.at + known.size, &known_order))
        return is_newer_by_python(self, value, known);
    return order >= known_order;
}

static int delete_copy(Copies *self, int32_t number, int32_t name) {
    Copy *copy = &self->at[number];
    if (is_last_holder(self, copy->holder, name)) {
        copy->state = GONE;
        self->wasted += (size_t)copy->key_size + (size_t)copy->room;
        self->left--;
        return 0;
    }
    return changed_holder(self, &copy->holder, name, 0);
}

static int read_copy(Copies *self, Text whole, Text value) {
    if (whole.size < 0) whole.size = 0;
    int32_t cut = whole.size; /* where the key ends: everything is the name where nothing separates them */
    while (cut > 0 && whole.at[cut - 1] != SEPARATOR) cut--;
    Text key = {whole.at, cut ? cut - 1 : 0};
    int32_t name = word_of(&self->names, whole.at + cut, whole.size - cut);
    if (name < 0) return NO_MEMORY;
    uint64_t hash = hash_of(key.at, (size_t)key.size).a;
    int32_t number = find_copy(self, key, hash);
    if (value.size < 0) return number < 0 ? 0 : delete_copy(self, number, name);
    if (number < 0) return new_copy(self, key, hash, name, value);
    Copy *copy = &self->at[number];
    if (copy->holder == name) return put_value(self, number, key, value); /* one assignment writes in order */
    if (!is_holder(self, copy->holder, name) && changed_holder(self, &copy->holder, name, 1) < 0) return NO_MEMORY;
    int newer = is_newer(self, copy, value);
    return newer > 0 ? put_value(self, number, key, value) : newer;
}

static int as_exception(int code) {
    if (code == NO_MEMORY) PyErr_NoMemory();
    if (code == BROKEN) PyErr_SetString(PyExc_ValueError, "not a batch of records");
    return code < 0 ? -1 : 0;
}
