/* Fields of Python objects that have __slots__, read where they lie. */

/* A new tuple or list that will never be part of a cycle: the collector of cycles need not look at it again and again.
 * Of the time of a million new rows it took a fifth. */
static PyObject *uncollected(PyObject *made) {
    if (made) PyObject_GC_UnTrack(made);
    return made;
}

typedef struct {
    const char *name;
    PyTypeObject *type; /* the offset is that of this type; NULL: not looked up yet */
    Py_ssize_t offset;
} Field;

/* -1 with an exception when objects of the type do not keep the field in a slot of their own. */
static int find_field(Field *field, PyTypeObject *type) {
    PyObject *found = PyObject_GetAttrString((PyObject *)type, field->name);
    if (!found) return -1;
    int is_slot = Py_IS_TYPE(found, &PyMemberDescr_Type) && ((PyMemberDescrObject *)found)->d_member->type == T_OBJECT_EX;
    if (is_slot) {
        field->offset = ((PyMemberDescrObject *)found)->d_member->offset;
        field->type = type;
    } else
        PyErr_Format(PyExc_TypeError, "%s.%s is not in __slots__", type->tp_name, field->name);
    Py_DECREF(found);
    return is_slot ? 0 : -1;
}

static PyObject **field_place(Field *field, PyObject *object) {
    if (field->type != Py_TYPE(object) && find_field(field, Py_TYPE(object)) < 0) return NULL;
    return (PyObject **)((char *)object + field->offset);
}

/* Borrowed; NULL with an exception. */
static PyObject *get_field(Field *field, PyObject *object) {
    PyObject **place = field_place(field, object);
    if (place && !*place) PyErr_SetString(PyExc_AttributeError, field->name);
    return place ? *place : NULL;
}

static int set_field(Field *field, PyObject *object, PyObject *value) {
    PyObject **place = field_place(field, object);
    if (!place) return -1;
    Py_INCREF(value);
    Py_XSETREF(*place, value);
    return 0;
}
