/* The plain job with as little as possible: librdkafka in batches, the needed JSON fields, a hash table,
 * changed totals out once a second, commit. What any program on this machine pays at least. */

#include <dlfcn.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The part of librdkafka's stable interface that is used here (rdkafka.h). */
typedef struct rd_kafka_message {
    int err;
    void *topic;
    int32_t partition;
    void *payload;
    size_t len;
    void *key;
    size_t key_len;
    int64_t offset;
    void *private_;
} message_t;

enum { CONF_OK = 0, PRODUCER = 0, CONSUMER = 1, COPY = 2, BATCH = 1000, ERROR = 512, KEY = 56, FLUSH_MS = 1000, WAIT_MS = 50 };

#define FUNCTIONS(F)                                                                                                  \
    F(void *, conf_new, (void))                                                                                       \
    F(int, conf_set, (void *, const char *, const char *, char *, size_t))                                            \
    F(void *, new, (int, void *, char *, size_t))                                                                     \
    F(int, poll_set_consumer, (void *))                                                                               \
    F(void *, topic_partition_list_new, (int))                                                                        \
    F(void *, topic_partition_list_add, (void *, const char *, int32_t))                                              \
    F(int, subscribe, (void *, void *))                                                                               \
    F(void *, queue_get_consumer, (void *))                                                                           \
    F(ssize_t, consume_batch_queue, (void *, int, message_t **, size_t))                                              \
    F(void, message_destroy, (message_t *))                                                                           \
    F(void *, topic_new, (void *, const char *, void *))                                                              \
    F(int, produce, (void *, int32_t, int, void *, size_t, const void *, size_t, void *))                             \
    F(int, poll, (void *, int))                                                                                       \
    F(int, flush, (void *, int))                                                                                      \
    F(int, commit, (void *, const void *, int))                                                                       \
    F(int, consumer_close, (void *))

#define DECLARE(result, name, parameters) static result(*rd_##name) parameters;
FUNCTIONS(DECLARE)

typedef struct {
    char key[KEY];
    int64_t minute, impressions, clicks, conversions, spend;
    uint32_t length;
    int32_t partition;
    int changed;
} row_t;

static row_t *rows;
static size_t room = 1 << 16, used;
static size_t *changed;
static size_t changes;
static volatile sig_atomic_t stop;

static void on_term(int number) { (void)number; stop = 1; }

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void load(void) {
    void *library = dlopen(LIBRDKAFKA, RTLD_NOW);
    if (!library) fail(dlerror());
#define LOOK_UP(result, name, parameters)                                                                             \
    if (!(rd_##name = (result(*) parameters)dlsym(library, "rd_kafka_" #name))) fail("no rd_kafka_" #name);
    FUNCTIONS(LOOK_UP)
}

static void *client(int type, const char *settings[][2]) {
    char error[ERROR];
    void *conf = rd_conf_new();
    for (; (*settings)[0]; settings++)
        if (rd_conf_set(conf, (*settings)[0], (*settings)[1], error, sizeof error) != CONF_OK) fail(error);
    void *made = rd_new(type, conf, error, sizeof error);
    if (!made) fail(error);
    return made;
}

static uint64_t hash(const char *key, uint32_t length, int64_t minute) {
    uint64_t value = (uint64_t)minute * 0x9E3779B97F4A7C15u;
    for (uint32_t i = 0; i + 8 <= length; i += 8) {
        uint64_t part;
        memcpy(&part, key + i, 8);
        value = (value ^ part) * 0xff51afd7ed558ccdu;
        value ^= value >> 32;
    }
    uint64_t rest = 0;
    memcpy(&rest, key + (length & ~7u), length & 7u);
    value = (value ^ rest) * 0xc4ceb9fe1a85ec53u;
    return value ^ value >> 29;
}

static void grow(void) {
    row_t *old = rows;
    size_t before = room;
    room *= 2;
    rows = calloc(room, sizeof *rows);
    changed = realloc(changed, room * sizeof *changed);
    if (!rows || !changed) fail("no memory");
    changes = 0;
    for (size_t i = 0; i < before; i++) {
        if (!old[i].length) continue;
        size_t at = hash(old[i].key, old[i].length, old[i].minute) & (room - 1);
        while (rows[at].length) at = (at + 1) & (room - 1);
        rows[at] = old[i];
        if (old[i].changed) changed[changes++] = at;
    }
    free(old);
}

static row_t *row_of(const char *key, uint32_t length, int64_t minute, int32_t partition) {
    if (length == 0 || length > KEY) fail("a key of another length than expected");
    if (used * 10 > room * 6) grow();
    size_t at = hash(key, length, minute) & (room - 1);
    while (rows[at].length) {
        if (rows[at].minute == minute && rows[at].length == length && !memcmp(rows[at].key, key, length)) break;
        at = (at + 1) & (room - 1);
    }
    row_t *row = &rows[at];
    if (!row->length) {
        memcpy(row->key, key, length);
        row->length = length, row->minute = minute, row->partition = partition;
        used++;
    }
    if (!row->changed) {
        row->changed = 1;
        changed[changes++] = at;
    }
    return row;
}

static int64_t integer(const char *at, const char *end) {
    int64_t value = 0;
    while (at < end && *at >= '0' && *at <= '9') value = value * 10 + (*at++ - '0');
    return value;
}

/* Walks the members of a flat object once: strings and numbers, no escapes, as the data has them. */
static void count(const message_t *message) {
    const char *at = message->payload, *end = at + message->len;
    int64_t when = 0, spend = 0;
    char kind = 0;
    int wanted = 3;
    while (wanted && at < end) {
        const char *name = memchr(at, '"', end - at);
        if (!name) break;
        name++;
        const char *name_end = memchr(name, '"', end - name);
        if (!name_end) break;
        size_t length = name_end - name;
        const char *value = name_end + 2;
        if (length == 2 && !memcmp(name, "at", 2)) {
            when = integer(value, end), wanted--;
        } else if (length == 4 && !memcmp(name, "type", 4)) {
            kind = value[1] == 'i' ? 'i' : value[2] == 'l' ? 'k' : 'v', wanted--;
        } else if (length == 12 && !memcmp(name, "spend_micros", 12)) {
            spend = integer(value, end), wanted--;
        }
        if (*value == '"') {
            at = memchr(value + 1, '"', end - value - 1);
            if (!at) break;
            at++;
        } else {
            at = value;
        }
    }
    if (wanted) fail("an event without at, type or spend_micros");
    row_t *row = row_of(message->key, message->key_len, when - when % 60000, message->partition);
    row->impressions += kind == 'i', row->clicks += kind == 'k', row->conversions += kind == 'v';
    row->spend += spend;
}

static void flush(void *producer, void *topic, void *consumer) {
    if (!changes) return;
    for (size_t i = 0; i < changes; i++) {
        row_t *row = &rows[changed[i]];
        char key[128], value[384];
        int key_length = snprintf(key, sizeof key, "%.*s|%ld", (int)row->length, row->key, (long)row->minute);
        int length = snprintf(value, sizeof value,
                              "{\"campaign\":\"%.*s\",\"window_ms\":%ld,\"impressions\":%ld,\"clicks\":%ld,"
                              "\"conversions\":%ld,\"spend_micros\":%ld}",
                              (int)row->length, row->key, (long)row->minute, (long)row->impressions,
                              (long)row->clicks, (long)row->conversions, (long)row->spend);
        while (rd_produce(topic, row->partition, COPY, value, length, key, key_length, NULL)) rd_poll(producer, 10);
        row->changed = 0;
    }
    changes = 0;
    if (rd_flush(producer, 30000)) fail("the totals were not taken");
    rd_commit(consumer, NULL, 0);
}

static int64_t now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

int main(void) {
    load();
    signal(SIGTERM, on_term);
    rows = calloc(room, sizeof *rows);
    changed = calloc(room, sizeof *changed);
    const char *bootstrap = getenv("BENCH_BOOTSTRAP");
    const char *in_settings[][2] = {{"bootstrap.servers", bootstrap}, {"group.id", getenv("BENCH_GROUP")},
                                    {"auto.offset.reset", "earliest"}, {"enable.auto.commit", "false"},
                                    {"fetch.queue.backoff.ms", "5"}, {NULL, NULL}};
    const char *out_settings[][2] = {{"bootstrap.servers", bootstrap}, {"linger.ms", "20"}, {"acks", "all"},
                                     {"batch.size", "131072"}, {NULL, NULL}};
    void *consumer = client(CONSUMER, in_settings), *producer = client(PRODUCER, out_settings);
    void *topic = rd_topic_new(producer, getenv("BENCH_OUT"), NULL);
    void *wanted = rd_topic_partition_list_new(1);
    rd_topic_partition_list_add(wanted, getenv("BENCH_IN"), -1);
    rd_poll_set_consumer(consumer);
    if (rd_subscribe(consumer, wanted)) fail("cannot subscribe");
    void *queue = rd_queue_get_consumer(consumer);
    message_t *batch[BATCH];
    for (int64_t due = now_ms() + FLUSH_MS; !stop;) {
        ssize_t got = rd_consume_batch_queue(queue, WAIT_MS, batch, BATCH);
        for (ssize_t i = 0; i < got; i++) {
            if (!batch[i]->err) count(batch[i]);
            rd_message_destroy(batch[i]);
        }
        if (now_ms() >= due) {
            flush(producer, topic, consumer);
            due = now_ms() + FLUSH_MS;
        }
    }
    rd_consumer_close(consumer);
    return 0;
}
