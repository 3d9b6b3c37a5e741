/* pipeline.counted_rows.Campaign, as C reads it and makes it. */

/* In the order of campaigns.h. */
static Field campaign_fields[STRINGS] = {{"platform"}, {"account_id"}, {"campaign_id"}, {"currency"}, {"zone"}}, campaign_key = {"key"};

typedef struct { PyObject *string; Text text; } Shared; /* the last string of its kind: most are like the one before */

static int same(Text a, Text b) { return a.size == b.size && memcmp(a.at, b.at, (size_t)a.size) == 0; }

/* A borrowed string that others share; NULL with an exception. */
static PyObject *shared_string(Shared *last, Text text) {
    if (last->string && same(last->text, text)) return last->string;
    PyObject *string = PyUnicode_FromStringAndSize(text.at, text.size);
    if (!string) return NULL;
    PyUnicode_InternInPlace(&string);
    Py_XSETREF(last->string, string);
    return text_of(string, &last->text) < 0 ? NULL : string;
}

static PyObject *ascii_string(Text text) {
    PyObject *string = PyUnicode_New(text.size, 0x7f);
    if (string) memcpy(PyUnicode_1BYTE_DATA(string), text.at, (size_t)text.size);
    return string;
}

/* As `Campaign(key, zone=..., currency=...)` makes it; all texts are ASCII. `last`: what such campaigns share. */
static PyObject *campaign_object(PyTypeObject *type, Text key, const Text texts[STRINGS], Shared last[STRINGS]) {
    PyObject *object = type->tp_alloc(type, 0), *own[] = {ascii_string(key), ascii_string(texts[ID_OF])};
    int failed = !object || !own[0] || !own[1] || set_field(&campaign_key, object, own[0]) < 0;
    for (int i = 0; i < STRINGS && !failed; i++) {
        PyObject *string = i == ID_OF ? own[1] : shared_string(&last[i], texts[i]);
        failed = !string || set_field(&campaign_fields[i], object, string) < 0;
    }
    Py_XDECREF(own[0]);
    Py_XDECREF(own[1]);
    if (failed) Py_CLEAR(object);
    return uncollected(object); /* it holds nothing but strings */
}
