/* An event that is read before its turn, while what it needs of the tables comes out of the memory. */

typedef struct {
    Event event;
    Hash key_hash, id_hash;
    uint64_t entry_hash;
    Verdict verdict;
    size_t length; /* of the name of its id: `key|event id` */
    char name[MAX_NAME];
} Ahead;

static void read_ahead(const Place *record, Ahead *ahead) {
    Text key = record->key, value = record->value;
    const Event *event = &ahead->event;
    ahead->verdict = value.size < 0 ? ODD : value.size > MAX_EVENT_BYTES ? REFUSED : read_event(value.at, value.at + value.size, &ahead->event);
    if (ahead->verdict != PLAIN) return;
    if (key.size < 0 || (int64_t)key.size + 1 + event->texts[EVENT_ID].size > MAX_NAME) {
        ahead->verdict = ODD;
        return;
    }
    memcpy(ahead->name, key.at, (size_t)key.size);
    ahead->name[key.size] = '|';
    memcpy(ahead->name + key.size + 1, event->texts[EVENT_ID].at, (size_t)event->texts[EVENT_ID].size);
    ahead->length = (size_t)key.size + 1 + (size_t)event->texts[EVENT_ID].size;
    ahead->key_hash = hash_of(key.at, (size_t)key.size);
    ahead->id_hash = hash_of(ahead->name, ahead->length);
    ahead->entry_hash = entry_hash(ahead->key_hash, event->texts[AD_ID], event->numbers[AT] - event->numbers[AT] % MINUTE_MS);
}

static void fetch_tables(const Ahead *ahead, const Campaigns *campaigns, const Entries *entries, const IdMemory *memory) {
    if (ahead->verdict != PLAIN) return;
    __builtin_prefetch(&campaigns->slots[ahead->key_hash.a & (campaigns->slot_count - 1)]);
    __builtin_prefetch(&entries->index[ahead->entry_hash & (entries->index_slots - 1)]);
    __builtin_prefetch(&memory->at[ahead->id_hash.a & (memory->slots - 1)], 1);
}
