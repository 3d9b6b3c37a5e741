/* The first event of a campaign: what pipeline.events.check_first asks of it, and the Campaign that it makes known. */

static const char *const PLATFORMS[] = {"google_ads", "meta", "linkedin", "twitter", "tiktok", "email", "sms", "push"};

typedef struct {
    PyTypeObject *campaign_type;
    PyObject *zone_reason; /* why a name is no zone; None if it is one */
    PyObject *zones;       /* those it was asked about */
    PyObject *known;       /* key of the records -> Campaign */
    PyObject *keys;        /* of the campaigns that became known here */
    Shared last[STRINGS];
} Firsts;

static int is_platform(Text text) {
    for (size_t i = 0; i < sizeof PLATFORMS / sizeof *PLATFORMS; i++)
        if ((size_t)text.size == strlen(PLATFORMS[i]) && memcmp(text.at, PLATFORMS[i], (size_t)text.size) == 0) return 1;
    return 0;
}

static int is_currency(Text text) {
    for (int32_t i = 0; i < text.size; i++)
        if (text.at[i] < 'A' || text.at[i] > 'Z') return 0;
    return text.size == 3;
}

static int is_key_of(Text key, Text platform, Text account, Text id) {
    const char *p = key.at;
    return key.size == platform.size + account.size + id.size + 2 && memcmp(p, platform.at, (size_t)platform.size) == 0 &&
           *(p += platform.size) == ':' && memcmp(p + 1, account.at, (size_t)account.size) == 0 &&
           *(p += account.size + 1) == ':' && memcmp(p + 1, id.at, (size_t)id.size) == 0;
}

/* 1: a zone; 0: none, or Python has to say why not; -1: an exception. */
static int is_zone(Firsts *self, Text zone) {
    if (zone.size > MAX_ID) return 0;
    PyObject *name = shared_string(&self->last[ZONE_OF], zone);
    int known = name ? PySet_Contains(self->zones, name) : -1;
    if (known) return known;
    PyObject *reason = PyObject_CallOneArg(self->zone_reason, name);
    if (!reason) return -1;
    known = reason == Py_None;
    Py_DECREF(reason);
    return known && PySet_Add(self->zones, name) < 0 ? -1 : known; /* there are not many; of what is none there is no end */
}

/* 1: plainly good; 0: Python has to look at it; -1: an exception. */
static int is_good_first(Firsts *self, Text key, const Event *event) {
    const Text *texts = event->texts;
    if (!is_platform(texts[PLATFORM]) || !is_id(texts[ACCOUNT_ID]) || !is_id(texts[CAMPAIGN_ID]) ||
        !is_key_of(key, texts[PLATFORM], texts[ACCOUNT_ID], texts[CAMPAIGN_ID]) ||
        (texts[CURRENCY].size >= 0 && !is_currency(texts[CURRENCY])))
        return 0;
    return texts[ZONE].size < 0 ? 1 : is_zone(self, texts[ZONE]);
}

/* The Campaign that this first event makes known. */
static PyObject *campaign_of_event(Firsts *self, Text key, const Event *event) {
    static const int fields[STRINGS] = {PLATFORM, ACCOUNT_ID, CAMPAIGN_ID, CURRENCY, ZONE};
    static const Text defaults[STRINGS] = {[CURRENCY_OF] = {"", 0}, [ZONE_OF] = {"UTC", 3}};
    Text texts[STRINGS];
    for (int i = 0; i < STRINGS; i++) texts[i] = event->texts[fields[i]].size < 0 ? defaults[i] : event->texts[fields[i]];
    return campaign_object(self->campaign_type, key, texts, self->last);
}

/* NULL with an exception. */
static Campaign *first_campaign(Firsts *self, Campaigns *campaigns, Text key, Hash hash, const Event *event) {
    PyObject *object = campaign_of_event(self, key, event), *name = object ? PyBytes_FromStringAndSize(key.at, key.size) : NULL;
    int failed = !name || PyDict_SetItem(self->known, name, object) < 0 || PyList_Append(self->keys, name) < 0;
    Py_XDECREF(name);
    if (!failed) return new_campaign(campaigns, key, hash, object);
    Py_XDECREF(object);
    return NULL;
}

static int begin_firsts(Firsts *self, PyObject *campaign_type, PyObject *zone_reason) {
    self->campaign_type = (PyTypeObject *)Py_NewRef(campaign_type);
    self->zone_reason = Py_NewRef(zone_reason);
    return (self->zones = PySet_New(NULL)) && (self->known = PyDict_New()) && (self->keys = PyList_New(0)) ? 0 : -1;
}

static void end_firsts(Firsts *self) {
    PyObject *held[] = {(PyObject *)self->campaign_type, self->zone_reason, self->zones, self->known, self->keys};
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) Py_XDECREF(held[i]);
    for (int i = 0; i < STRINGS; i++) Py_XDECREF(self->last[i].string);
}
