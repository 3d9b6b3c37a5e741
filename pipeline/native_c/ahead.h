/* An event that is read before its turn, while the tables it needs come out of the memory. */

typedef struct {
    Event event;
    Hash key_hash, id_hash;
    int is_plain;
    size_t length; /* of the name of its id: `key|event id` */
    char name[MAX_NAME];
} Ahead;

static void read_ahead(const Campaigns *campaigns, const IdMemory *memory, const Place *record, Ahead *ahead) {
    Text key = record->key, value = record->value;
    ahead->is_plain = key.size >= 0 && value.size >= 0 && value.size <= MAX_EVENT_BYTES &&
                      read_event(value.at, value.at + value.size, &ahead->event);
    if (!ahead->is_plain) return;
    Text id = ahead->event.texts[EVENT_ID];
    ahead->is_plain = (int64_t)key.size + 1 + id.size <= MAX_NAME;
    if (!ahead->is_plain) return;
    memcpy(ahead->name, key.at, (size_t)key.size);
    ahead->name[key.size] = '|';
    memcpy(ahead->name + key.size + 1, id.at, (size_t)id.size);
    ahead->length = (size_t)key.size + 1 + (size_t)id.size;
    ahead->key_hash = hash_of(key.at, (size_t)key.size);
    ahead->id_hash = hash_of(ahead->name, ahead->length);
    __builtin_prefetch(&campaigns->slots[ahead->key_hash.a & (campaigns->slot_count - 1)]);
    __builtin_prefetch(&memory->at[ahead->id_hash.a & (memory->slots - 1)], 1);
}
