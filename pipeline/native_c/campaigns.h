/* What was learnt of campaigns, by the bytes of their record key. */

enum { PLATFORM_OF, ACCOUNT_OF, ID_OF, CURRENCY_OF, ZONE_OF, STRINGS };
static PyObject *s_key, *s_strings[STRINGS];

typedef struct {
    PyObject *object; /* the Campaign */
    PyObject *currency, *zone; /* of it */
    Text texts[STRINGS], key_text; /* the first three are parts of the key, which stands behind this */
    Hash hash;
} Campaign;

typedef struct { uint64_t tag; Campaign *campaign; } CampaignSlot; /* NULL: empty; the tag spares a look at others */

typedef struct {
    CampaignSlot *slots; /* open addresses by the hash of the name */
    size_t slot_count, count;
} Campaigns;

static void campaign_free(Campaign *campaign) {
    if (!campaign) return;
    Py_XDECREF(campaign->object);
    Py_XDECREF(campaign->currency);
    Py_XDECREF(campaign->zone);
    PyMem_RawFree(campaign);
}

static int text_of(PyObject *string, Text *text) {
    Py_ssize_t size;
    text->at = PyUnicode_AsUTF8AndSize(string, &size);
    text->size = (int32_t)size;
    return text->at ? 0 : -1;
}

static Campaign *campaign_at(const Campaigns *self, Hash hash) {
    for (size_t slot = hash.a & (self->slot_count - 1);; slot = (slot + 1) & (self->slot_count - 1)) {
        Campaign *found = self->slots[slot].campaign;
        if (!found || (self->slots[slot].tag == hash.a && found->hash.b == hash.b)) return found;
    }
}

static Campaign *find_campaign(const Campaigns *self, const char *name, size_t size) {
    return campaign_at(self, hash_of(name, size));
}

static void put_campaign(CampaignSlot *slots, size_t count, CampaignSlot put) {
    size_t slot = put.tag & (count - 1);
    while (slots[slot].campaign) slot = (slot + 1) & (count - 1);
    slots[slot] = put;
}

static int grow_campaigns(Campaigns *self) {
    size_t slot_count = self->slot_count ? self->slot_count * 2 : 64;
    CampaignSlot *slots = PyMem_RawCalloc(slot_count, sizeof *slots);
    if (!slots) return PyErr_NoMemory(), -1;
    for (size_t slot = 0; slot < self->slot_count; slot++)
        if (self->slots[slot].campaign) put_campaign(slots, slot_count, self->slots[slot]);
    PyMem_RawFree(self->slots);
    self->slots = slots;
    self->slot_count = slot_count;
    return 0;
}

/* Currency and zone may come later, or be others: those of the object as it is now. */
static int read_place(Campaign *campaign) {
    PyObject **places[] = {&campaign->currency, &campaign->zone};
    for (int i = 0; i < 2; i++) {
        Py_XSETREF(*places[i], PyObject_GetAttr(campaign->object, s_strings[CURRENCY_OF + i]));
        if (!*places[i] || text_of(*places[i], &campaign->texts[CURRENCY_OF + i]) < 0) return -1;
    }
    return 0;
}

/* Takes over the reference to the object, whose key is `name`: `platform:account:campaign`. NULL with an exception. */
static Campaign *new_campaign(Campaigns *self, Text name, Hash hash, PyObject *object) {
    const char *account, *id;
    Campaign *campaign = NULL;
    char *key = NULL;
    if ((self->count + 1) * 4 > self->slot_count * 3 && grow_campaigns(self) < 0) goto failed;
    if (!(campaign = PyMem_RawCalloc(1, sizeof *campaign + (size_t)name.size))) {
        PyErr_NoMemory();
        goto failed;
    }
    key = memcpy(campaign + 1, name.at, (size_t)name.size);
    campaign->hash = hash;
    campaign->key_text = (Text){key, name.size};
    if (!(account = memchr(key, ':', (size_t)name.size)) || !(id = memchr(account + 1, ':', (size_t)(key + name.size - account - 1)))) {
        PyErr_SetString(PyExc_ValueError, "a key is platform:account:campaign");
        goto failed;
    }
    campaign->texts[PLATFORM_OF] = (Text){key, (int32_t)(account - key)};
    campaign->texts[ACCOUNT_OF] = (Text){account + 1, (int32_t)(id - account - 1)};
    campaign->texts[ID_OF] = (Text){id + 1, (int32_t)(key + name.size - id - 1)};
    campaign->object = object;
    if (read_place(campaign) < 0) {
        campaign_free(campaign);
        return NULL;
    }
    put_campaign(self->slots, self->slot_count, (CampaignSlot){hash.a, campaign});
    self->count++;
    return campaign;
failed:
    Py_DECREF(object);
    PyMem_RawFree(campaign);
    return NULL;
}

static int learn_campaign(Campaigns *self, PyObject *name, PyObject *object) {
    Text text = {PyBytes_AS_STRING(name), (int32_t)PyBytes_GET_SIZE(name)};
    Hash hash = hash_of(text.at, (size_t)text.size);
    Campaign *known = campaign_at(self, hash);
    if (!known) return new_campaign(self, text, hash, Py_NewRef(object)) ? 0 : -1;
    Py_INCREF(object);
    Py_SETREF(known->object, object);
    return read_place(known);
}
