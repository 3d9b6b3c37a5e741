/* What was learnt of campaigns, by the bytes of their record key. */

enum { PLATFORM_OF, ACCOUNT_OF, ID_OF, CURRENCY_OF, ZONE_OF, STRINGS };
static PyObject *s_key, *s_strings[STRINGS];

typedef struct {
    PyObject *object; /* the Campaign */
    PyObject *key, *strings[STRINGS]; /* of it */
    Text texts[STRINGS], key_text;
    Hash hash;
} Campaign;

typedef struct {
    Campaign **slots; /* open addresses by the hash of the name; NULL: empty */
    size_t slot_count, count;
} Campaigns;

static void campaign_free(Campaign *campaign) {
    if (!campaign) return;
    Py_XDECREF(campaign->object);
    Py_XDECREF(campaign->key);
    for (int i = 0; i < STRINGS; i++) Py_XDECREF(campaign->strings[i]);
    PyMem_RawFree(campaign);
}

static int text_of(PyObject *string, Text *text) {
    Py_ssize_t size;
    text->at = PyUnicode_AsUTF8AndSize(string, &size);
    text->size = (int32_t)size;
    return text->at ? 0 : -1;
}

static Campaign *find_campaign(const Campaigns *self, const char *name, size_t size) {
    Hash hash = hash_of(name, size);
    for (size_t slot = hash.a & (self->slot_count - 1);; slot = (slot + 1) & (self->slot_count - 1)) {
        Campaign *found = self->slots[slot];
        if (!found || (found->hash.a == hash.a && found->hash.b == hash.b)) return found;
    }
}

static void put_campaign(Campaign **campaigns, size_t slots, Campaign *campaign) {
    size_t slot = campaign->hash.a & (slots - 1);
    while (campaigns[slot]) slot = (slot + 1) & (slots - 1);
    campaigns[slot] = campaign;
}

static int read_strings(Campaign *campaign, PyObject *object) {
    for (int i = 0; i < STRINGS; i++) {
        Py_XSETREF(campaign->strings[i], PyObject_GetAttr(object, s_strings[i]));
        if (!campaign->strings[i] || text_of(campaign->strings[i], &campaign->texts[i]) < 0) return -1;
    }
    Py_XSETREF(campaign->key, PyObject_GetAttr(object, s_key));
    return campaign->key ? text_of(campaign->key, &campaign->key_text) : -1;
}

static int grow_campaigns(Campaigns *self) {
    size_t slot_count = self->slot_count * 2;
    Campaign **slots = PyMem_RawCalloc(slot_count, sizeof *slots);
    if (!slots) return PyErr_NoMemory(), -1;
    for (size_t slot = 0; slot < self->slot_count; slot++)
        if (self->slots[slot]) put_campaign(slots, slot_count, self->slots[slot]);
    PyMem_RawFree(self->slots);
    self->slots = slots;
    self->slot_count = slot_count;
    return 0;
}

static int learn_campaign(Campaigns *self, PyObject *name, PyObject *object) {
    const char *bytes = PyBytes_AS_STRING(name);
    size_t size = (size_t)PyBytes_GET_SIZE(name);
    Campaign *known = find_campaign(self, bytes, size);
    if (known) {
        Py_INCREF(object);
        Py_SETREF(known->object, object);
        return read_strings(known, object);
    }
    if ((self->count + 1) * 2 > self->slot_count && grow_campaigns(self) < 0) return -1;
    Campaign *campaign = PyMem_RawCalloc(1, sizeof *campaign);
    if (!campaign) return PyErr_NoMemory(), -1;
    campaign->hash = hash_of(bytes, size);
    campaign->object = Py_NewRef(object);
    if (read_strings(campaign, object) < 0) {
        campaign_free(campaign);
        return -1;
    }
    put_campaign(self->slots, self->slot_count, campaign);
    self->count++;
    return 0;
}
