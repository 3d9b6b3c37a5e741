/* Strings of bytes, each kept once and known by its number. Nothing here needs the interpreter. */

typedef struct { Hash hash; char *bytes; int32_t size; } Word;

typedef struct {
    Word *at;
    int32_t count, room;
    int32_t *index; /* open addresses by the hash; -1: empty */
    size_t slots;
    int32_t last; /* the one asked for before: mostly the same again */
} Words;

static int grow_words(Words *self) {
    int32_t room = self->room ? self->room * 2 : 8;
    size_t slots = (size_t)room * 2;
    Word *at = PyMem_RawRealloc(self->at, (size_t)room * sizeof *at);
    if (!at) return -1;
    self->at = at;
    int32_t *index = PyMem_RawMalloc(slots * sizeof *index);
    if (!index) return -1;
    memset(index, 0xff, slots * sizeof *index);
    for (int32_t number = 0; number < self->count; number++) {
        size_t slot = at[number].hash.a & (slots - 1);
        while (index[slot] >= 0) slot = (slot + 1) & (slots - 1);
        index[slot] = number;
    }
    PyMem_RawFree(self->index);
    self->index = index;
    self->slots = slots;
    self->room = room;
    return 0;
}

/* Its number, given at the first time; -1 when there is no memory. `count` tells whether it was new. */
static int32_t word_of(Words *self, const char *bytes, int32_t size) {
    if (self->count) {
        const Word *last = &self->at[self->last];
        if (last->size == size && memcmp(last->bytes, bytes, (size_t)size) == 0) return self->last;
    }
    if (self->count == self->room && grow_words(self) < 0) return -1;
    Hash hash = hash_of(bytes, (size_t)size);
    size_t slot = hash.a & (self->slots - 1);
    for (int32_t found; (found = self->index[slot]) >= 0; slot = (slot + 1) & (self->slots - 1)) {
        const Word *word = &self->at[found];
        if (word->hash.a == hash.a && word->size == size && memcmp(word->bytes, bytes, (size_t)size) == 0)
            return self->last = found;
    }
    char *kept = PyMem_RawMalloc((size_t)size + 1);
    if (!kept) return -1;
    memcpy(kept, bytes, (size_t)size);
    self->at[self->count] = (Word){hash, kept, size};
    self->index[slot] = self->count;
    return self->last = self->count++;
}

static void free_words(Words *self) {
    for (int32_t number = 0; number < self->count; number++) PyMem_RawFree(self->at[number].bytes);
    PyMem_RawFree(self->at);
    PyMem_RawFree(self->index);
    memset(self, 0, sizeof *self);
}
