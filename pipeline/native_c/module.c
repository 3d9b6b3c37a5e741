/* The part of the counted state that is touched for every record, in C: see pipeline/counted_panes.py and
 * pipeline/id_memory.py, which do the same in Python and are used where this could not be built.
 *
 * It counts what is plainly good: a JSON object whose known fields are ASCII strings without escapes, whole numbers and
 * null, of a campaign it knows or comes to know by it. What is refused for certain it passes over and takes note of, for
 * Python to say why. Whatever else a record may be it leaves to Python, untouched.
 */
#define PY_SSIZE_T_CLEAN
#define _GNU_SOURCE /* memmem */
#include <Python.h>
#include <structmember.h>
#include <stdint.h>
#include <string.h>

enum { MEASURES = 15, MAX_ID = 128, MAX_NAME = 1024, MAX_DEPTH = 16 };
enum { IMPRESSIONS, CLICKS, LINK_CLICKS, SPEND, CONVERSIONS, REVENUE };
static const int64_t MINUTE_MS = 60000, MAX_AHEAD_MS = 86400000, MICROS = 1000000;
static const int64_t MAX_EVENT_BYTES = 1 << 20, MAX_MICROS = 1000000000000000LL, MAX_COUNT = 1000000000LL;
static const int64_t FULL = 1LL << 61; /* no sum of one pane comes here without a drain before */
static const int64_t NEVER = 1LL << 62;

#include "hash.h"
#include "id_memory.h"
#include "id_names.h"
#include "event.h"
#include "verdict.h"
#include "read_event.h"
#include "wire_records.h"
#include "checksum.h"
#include "lz4.h"
#include "fetched.h"
#include "record_batch.h"
#include "buffer.h"
#include "pairs.h"
#include "fields.h"
#include "campaigns.h"
#include "campaign_object.h"
#include "entries.h"
#include "ahead.h"
#include "first_events.h"
#include "panes.h"
#include "panes_type.h"
#include "columns.h"
#include "row_shape.h"
#include "rows.h"
#include "row_objects.h"
#include "noted_rows.h"
#include "fold.h"
#include "totals.h"
#include "kept.h"
#include "figures.h"
#include "frames.h"
#include "reported_row.h"
#include "kept_reported.h"
#include "known_rows.h"
#include "judged.h"
#include "msgpack.h"
#include "words.h"
#include "copies.h"
#include "copies_type.h"
#include "kept_rows.h"
#include "kept_campaigns.h"
#include "kept_ids.h"

static PyMethodDef functions[] = {
    {"plain_batches", native_plain_batches, METH_VARARGS, "See connectors/wire.py."},
    {"checksum", native_checksum, METH_VARARGS, "See pipeline/native.pyi."},
    {"fold", native_fold, METH_VARARGS, "See pipeline.counted_fold.Fold.add."},
    {"totals", native_totals, METH_VARARGS, "See pipeline.counted_totals.TotalTexts.totals."},
    {"worth_judging", native_worth_judging, METH_VARARGS, "See pipeline.alerts.worth_judging."},
    {"kept", native_kept, METH_VARARGS, "See pipeline.counted_kept.kept_rows."},
    {"known_rows", native_known_rows, METH_VARARGS, "See pipeline.reported_known.KnownRows.count."},
    {"kept_reported", native_kept_reported, METH_O, "See pipeline.reported_rows.kept."},
    {"frame_number", native_frame_number, METH_VARARGS, "See pipeline.reported_frames.Frames.number_of."},
    {"figures_number", native_figures_number, METH_O, "See pipeline.reported_frames.Frames.figures_number."},
    {"kept_campaigns", native_kept_campaigns, METH_VARARGS, "See pipeline.counted_kept.kept_campaigns."},
    {NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "native", "What is touched for every record, in C.", -1, functions};

PyMODINIT_FUNC PyInit_native(void) {
    static const char *const strings[STRINGS] = {"platform", "account_id", "campaign_id", "currency", "zone"};
    s_offset = PyUnicode_InternFromString("offset");
    s_timestamp = PyUnicode_InternFromString("timestamp");
    s_key = PyUnicode_InternFromString("key");
    s_value = PyUnicode_InternFromString("value");
    s_hour = PyUnicode_InternFromString("hour");
    s_names = PyUnicode_InternFromString("names");
    intern_names_of_restore();
    prepare_checksum();
    if (make_frame_keys() < 0) return NULL;
    for (int i = 0; i < STRINGS; i++) s_strings[i] = PyUnicode_InternFromString(strings[i]);
    PyObject *made = PyType_Ready(&IdMemoryType) < 0 || PyType_Ready(&IdNamesType) < 0 || PyType_Ready(&PanesType) < 0 || PyType_Ready(&WireRecordType) < 0 ||
                             PyType_Ready(&WireRecordsType) < 0 || PyType_Ready(&DrainType) < 0 || PyType_Ready(&CopiesType) < 0 ||
                             PyType_Ready(&RowsType) < 0 || PyType_Ready(&PairsType) < 0 || PyType_Ready(&NotedRowsType) < 0 || PyType_Ready(&RowShapeType) < 0
                         ? NULL : PyModule_Create(&module);
    if (!made) return NULL;
    if (PyModule_AddObjectRef(made, "IdMemory", (PyObject *)&IdMemoryType) < 0 ||
        PyModule_AddObjectRef(made, "IdNames", (PyObject *)&IdNamesType) < 0 ||
        PyModule_AddObjectRef(made, "Panes", (PyObject *)&PanesType) < 0 ||
        PyModule_AddObjectRef(made, "WireRecords", (PyObject *)&WireRecordsType) < 0 ||
        PyModule_AddObjectRef(made, "Pairs", (PyObject *)&PairsType) < 0 ||
        PyModule_AddObjectRef(made, "NotedRows", (PyObject *)&NotedRowsType) < 0 ||
        PyModule_AddObjectRef(made, "RowShape", (PyObject *)&RowShapeType) < 0 ||
        PyModule_AddObjectRef(made, "Copies", (PyObject *)&CopiesType) < 0 ||
        PyModule_AddFunctions(made, record_batch_methods) < 0 || PyModule_AddFunctions(made, restore_functions) < 0) {
        Py_DECREF(made);
        return NULL;
    }
    return made;
}
