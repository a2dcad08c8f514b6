/* SPDX-License-Identifier: MIT */
/*
 * The calls that must be fast: get, set, delete and contains of both kinds of cache, hits of
 * memoized functions, and keys made of Python objects. Everything else is written in Python, over
 * _ffi.
 *
 * These calls keep hold of the interpreter's lock (GIL), because to let go of it costs more than a
 * get. No thread can wait for ever by that: one that is in the library's critical section does not
 * need the GIL to leave it. A cache with callbacks that run in there (timer, choice, custom policy,
 * allocator) is the exception: all calls of it let go of the GIL. Calls that wait for another
 * thread's load are made by way of _ffi, which always lets go.
 *
 * A cache of objects stores parcels: pointers that own what they point to. The library calls
 * release_dropped when a parcel has left and nobody reads it.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <cachetools.h>
#include <structmember.h>

/* Python functions, from connect(). */
static PyObject *check;    /* check(status) raises the exception of a negative status */
static PyObject *reraise;  /* reraise() raises what a callback raised */
static PyObject *token_of; /* token_of(object) stands for equal objects, by its index */
static PyObject *closed;   /* the exception for a closed cache */
static PyObject *call_key; /* the type of bytes that are a key as they are, in a cache of objects */

/* ---- Parcels -------------------------------------------------------------------------------- */

/* The value of an entry in a cache of objects. */
typedef struct {
  PyObject *key; /* as it was given */
  PyObject *value;
  PyObject *tokens; /* a list of what must live as long as the entry's key, or NULL */
} Parcel;

/* A read copies a parcel, and only then takes references of its own. If another thread removes the
 * entry meanwhile, ct_get_copy itself may drop it, and the parcel's references must not go before
 * the reader has its own. They wait here. Such reads keep the GIL throughout, so one flag for all
 * threads will do. */
static int is_reading;
static PyObject *waiting; /* a list */

static void hold(const Parcel *parcel) {
  Py_INCREF(parcel->key);
  Py_INCREF(parcel->value);
  Py_XINCREF(parcel->tokens);
}

static void let_go_of(const Parcel *parcel) {
  Py_DECREF(parcel->key);
  Py_DECREF(parcel->value);
  Py_XDECREF(parcel->tokens);
}

/* Moves a reference to the list. Without memory for that, the object is never freed. */
static void put_off(PyObject *object) {
  if (object == NULL) return;
  if (PyList_Append(waiting, object) < 0)
    PyErr_Clear();
  else
    Py_DECREF(object);
}

/* The drop of a cache of objects. Destructors of objects may run in here, and call the library. */
static void release_dropped(void *user_data, const void *value, size_t size) {
  Parcel parcel;
  PyGILState_STATE state = PyGILState_Ensure();
  (void)user_data, (void)size;
  memcpy(&parcel, value, sizeof parcel);
  if (is_reading) {
    put_off(parcel.key);
    put_off(parcel.value);
    put_off(parcel.tokens);
  } else {
    let_go_of(&parcel);
  }
  PyGILState_Release(state);
}

static void release_waiting(void) {
  const Py_ssize_t count = PyList_GET_SIZE(waiting);
  if (count > 0 && PyList_SetSlice(waiting, 0, count, NULL) < 0) PyErr_Clear();
}

/* ---- Keys ----------------------------------------------------------------------------------- */

/* Builders that are not in use, untyped and typed. */
#define POOL 8
static ct_key *pool[2][POOL];
static int pooled[2];

/* The bytes of a key, and what they depend on. */
typedef struct {
  const void *data;
  size_t size;
  ct_key *builder;  /* data is in it, or NULL */
  PyObject *bytes;  /* data is in it, or NULL */
  PyObject *tokens; /* a list, or NULL */
  int typed;
} Key;

static void key_done(Key *key) {
  if (key->builder != NULL) {
    if (pooled[key->typed] < POOL)
      pool[key->typed][pooled[key->typed]++] = key->builder;
    else
      ct_key_free(key->builder);
  }
  Py_XDECREF(key->bytes);
  Py_XDECREF(key->tokens);
}

static int raise_status(ct_status status) {
  PyObject *result = PyObject_CallFunction(check, "i", (int)status);
  if (result == NULL) return -1;
  Py_DECREF(result);
  return 0;
}

static int key_begin(Key *key, int typed) {
  memset(key, 0, sizeof *key);
  key->typed = typed;
  if (pooled[typed] > 0) {
    key->builder = pool[typed][--pooled[typed]];
    ct_key_reset(key->builder);
    return 0;
  }
  key->builder = ct_key_new(typed ? CT_KEY_TYPED : 0);
  if (key->builder != NULL) return 0;
  PyErr_NoMemory();
  return -1;
}

static int key_end(Key *key) {
  const ct_status status = ct_key_data(key->builder, &key->data, &key->size);
  return status == CT_OK ? 0 : raise_status(status);
}

/* Numbers that stand for an object: (None, number) or (None, number, number of its type). No tuple
 * of Python's is encoded so, because one that begins with None is given a second one. */
static void add_numbers(Key *key, uint64_t number, uint64_t type) {
  ct_key_tuple_begin(key->builder);
  ct_key_null(key->builder);
  ct_key_uint(key->builder, number);
  if (type != 0) ct_key_uint(key->builder, type);
  ct_key_tuple_end(key->builder);
}

/* Sets *number to an object's, which stays its own as long as the key's tokens live. */
static int find_number(Key *key, PyObject *object, uint64_t *number) {
  PyObject *token = PyObject_CallFunctionObjArgs(token_of, object, NULL);
  PyObject *index = token == NULL ? NULL : PyNumber_Index(token);
  int failed = index == NULL;
  if (!failed) {
    *number = PyLong_AsUnsignedLongLong(index);
    if (key->tokens == NULL) key->tokens = PyList_New(0);
    failed = key->tokens == NULL || PyList_Append(key->tokens, token) < 0;
  }
  Py_XDECREF(index);
  Py_XDECREF(token);
  return failed ? -1 : 0;
}

static int add_token(Key *key, PyObject *object, int typed) {
  uint64_t number = 0, type = 0;
  if (find_number(key, object, &number) < 0) return -1;
  if (typed && find_number(key, (PyObject *)Py_TYPE(object), &type) < 0) return -1;
  add_numbers(key, number, type);
  return 0;
}

/* Whether an object compares and hashes as those of the base type do; if typed, is of that type. */
static int is_like(PyObject *object, PyTypeObject *base, int is_of_base, int typed) {
  PyTypeObject *type = Py_TYPE(object);
  if (type == base) return 1;
  return !typed && is_of_base && type->tp_richcompare == base->tp_richcompare &&
         type->tp_hash == base->tp_hash;
}

/* Returns 1 if there is no number of the library's that equals this one. */
static int add_int(Key *key, PyObject *object, int typed) {
  int overflow;
  const long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
  if (overflow == 0) {
    if (value == -1 && PyErr_Occurred()) return -1;
    ct_key_int(key->builder, value);
    return 0;
  }
  if (overflow > 0) {
    const unsigned long long large = PyLong_AsUnsignedLongLong(object);
    if (!PyErr_Occurred()) {
      ct_key_uint(key->builder, large);
      return 0;
    }
    PyErr_Clear();
  }
  /* It may still equal a float. */
  {
    const double near = PyLong_AsDouble(object);
    PyObject *back;
    int equal;
    if (PyErr_Occurred()) {
      PyErr_Clear();
      return 1;
    }
    back = PyLong_FromDouble(near);
    equal = back == NULL ? -1 : PyObject_RichCompareBool(back, object, Py_EQ);
    Py_XDECREF(back);
    if (equal <= 0) return equal < 0 ? -1 : 1;
    if (typed) return 1; /* it would be a float */
    ct_key_double(key->builder, near);
    return 0;
  }
}

/* Returns 1 if the text has no UTF-8: surrogates. */
static int add_text(Key *key, PyObject *object) {
  Py_ssize_t size;
  const char *text = PyUnicode_AsUTF8AndSize(object, &size);
  if (text == NULL) {
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) return -1;
    PyErr_Clear();
    return 1;
  }
  ct_key_text(key->builder, text, (size_t)size);
  return 0;
}

static int add(Key *key, PyObject *object, int typed);

static int add_tuple(Key *key, PyObject *tuple) {
  const Py_ssize_t count = PyTuple_GET_SIZE(tuple);
  Py_ssize_t i;
  int result = 0;
  if (Py_EnterRecursiveCall(" in a key")) return -1;
  ct_key_tuple_begin(key->builder);
  if (count > 0 && PyTuple_GET_ITEM(tuple, 0) == Py_None) ct_key_null(key->builder);
  for (i = 0; i < count && result == 0; i++) result = add(key, PyTuple_GET_ITEM(tuple, i), 0);
  ct_key_tuple_end(key->builder);
  Py_LeaveRecursiveCall();
  return result;
}

static int add(Key *key, PyObject *object, int typed) {
  int odd = 1;
  if (is_like(object, &PyUnicode_Type, PyUnicode_Check(object), typed)) {
    odd = add_text(key, object);
  } else if (object == Py_None) {
    ct_key_null(key->builder);
    odd = 0;
  } else if (object == Py_True || object == Py_False) {
    ct_key_bool(key->builder, object == Py_True);
    odd = 0;
  } else if (is_like(object, &PyLong_Type, PyLong_Check(object), typed)) {
    odd = add_int(key, object, typed);
  } else if (is_like(object, &PyFloat_Type, PyFloat_Check(object), typed)) {
    ct_key_double(key->builder, PyFloat_AS_DOUBLE(object));
    odd = 0;
  } else if (is_like(object, &PyBytes_Type, PyBytes_Check(object), typed)) {
    ct_key_bytes(key->builder, PyBytes_AS_STRING(object), (size_t)PyBytes_GET_SIZE(object));
    odd = 0;
  } else if (is_like(object, &PyTuple_Type, PyTuple_Check(object), typed)) {
    odd = add_tuple(key, object);
  }
  return odd <= 0 ? odd : add_token(key, object, typed);
}

/* ---- Caches --------------------------------------------------------------------------------- */

typedef struct {
  PyObject ob_base;
  ct_cache *cache;    /* NULL: closed. _ffi makes and frees it */
  char holds_objects; /* values are parcels, and keys any objects; else both are bytes */
  char lets_go;       /* of the GIL: callbacks run in the critical section */
  char reraises;      /* there are callbacks */
} Store;

static int is_open(const Store *self) {
  if (self->cache != NULL) return 1;
  PyErr_SetObject(closed, NULL);
  return 0;
}

static PyThreadState *let_go(const Store *self) {
  return self->lets_go ? PyEval_SaveThread() : NULL;
}

static void take_back(PyThreadState *state) {
  if (state != NULL) PyEval_RestoreThread(state);
}

/* Raises what callbacks of the last call raised, else the exception of its status. */
static int end_call(const Store *self, ct_status status) {
  if (self->reraises) {
    PyObject *result = PyObject_CallObject(reraise, NULL);
    if (result == NULL) return -1;
    Py_DECREF(result);
  }
  return status >= 0 ? 0 : raise_status(status);
}

/* Returns a new reference to an object's bytes. */
static PyObject *bytes_of(PyObject *object) {
  if (PyBytes_Check(object)) {
    Py_INCREF(object);
    return object;
  }
  if (PyByteArray_Check(object) || PyMemoryView_Check(object)) return PyBytes_FromObject(object);
  PyErr_Format(PyExc_TypeError, "keys and values are bytes, not %.200s", Py_TYPE(object)->tp_name);
  return NULL;
}

static int use_bytes(Key *key, PyObject *bytes) {
  if (bytes == NULL) return -1;
  Py_XDECREF(key->bytes);
  key->bytes = bytes;
  key->data = PyBytes_AS_STRING(bytes);
  key->size = (size_t)PyBytes_GET_SIZE(bytes);
  return 0;
}

/* On failure nothing need be done with the key. */
static int key_of(const Store *self, PyObject *object, Key *key) {
  if (!is_open(self)) return -1;
  if (!self->holds_objects) {
    memset(key, 0, sizeof *key);
    return use_bytes(key, bytes_of(object));
  }
  if (Py_TYPE(object) == (PyTypeObject *)call_key) {
    memset(key, 0, sizeof *key);
    Py_INCREF(object);
    return use_bytes(key, object);
  }
  if (key_begin(key, 0) < 0) return -1;
  /* Objects' own functions have run: the cache may be closed by now. */
  if (add(key, object, 0) == 0 && key_end(key) == 0 && is_open(self)) return 0;
  key_done(key);
  return -1;
}

static PyObject *value_of(const Store *self, const void *data, size_t size) {
  PyObject *value;
  Parcel parcel;
  if (!self->holds_objects) return PyBytes_FromStringAndSize(data, (Py_ssize_t)size);
  memcpy(&parcel, data, sizeof parcel);
  value = parcel.value;
  Py_INCREF(value);
  return value;
}

/* A get that pins. */
static ct_status get_pinned(const Store *self, const Key *key, PyObject **value) {
  ct_value pinned;
  PyThreadState *state = let_go(self);
  const ct_status status = ct_get(self->cache, key->data, key->size, &pinned);
  take_back(state);
  if (status == CT_OK) {
    *value = value_of(self, pinned.data, pinned.size);
    state = let_go(self);
    ct_value_release(&pinned);
    take_back(state);
  }
  return status;
}

/* Values up to this size are copied without a pin. */
#define ROOM 1024

/* Sets *value to a new reference, or to NULL if there is none. Returns -1 with an exception. */
static int look_up(const Store *self, const Key *key, PyObject **value) {
  union {
    Parcel parcel;
    char bytes[ROOM];
  } room;
  size_t size = 0;
  ct_status status;
  *value = NULL;
  if (self->lets_go) {
    status = get_pinned(self, key, value);
  } else {
    is_reading = self->holds_objects;
    status = ct_get_copy(self->cache, key->data, key->size, &room, sizeof room, &size);
    if (status == CT_OK) *value = value_of(self, &room, size);
    is_reading = 0;
    if (PyList_GET_SIZE(waiting) > 0) release_waiting();
    if (status == CT_ERR_BUFFER) status = get_pinned(self, key, value);
  }
  if (status == CT_OK && *value == NULL) return -1;
  if ((status >= 0 && !self->reraises) || end_call(self, status) == 0) return 0;
  Py_CLEAR(*value);
  return -1;
}

static void raise_key_error(PyObject *key) {
  PyObject *args = PyTuple_Pack(1, key); /* or else a tuple would become several arguments */
  if (args == NULL) return;
  PyErr_SetObject(PyExc_KeyError, args);
  Py_DECREF(args);
}

static PyObject *store_subscript(PyObject *object, PyObject *key_object) {
  const Store *self = (Store *)object;
  PyObject *value = NULL;
  Key key;
  int failed;
  if (key_of(self, key_object, &key) < 0) return NULL;
  failed = look_up(self, &key, &value);
  key_done(&key);
  if (value == NULL && !failed) raise_key_error(key_object);
  return value;
}

static PyObject *store_get(PyObject *object, PyObject *const *args, Py_ssize_t count) {
  const Store *self = (Store *)object;
  PyObject *value = NULL;
  Key key;
  int failed;
  if (count < 1 || count > 2) {
    PyErr_Format(PyExc_TypeError, "get() takes a key and a default, not %zd arguments", count);
    return NULL;
  }
  if (key_of(self, args[0], &key) < 0) return NULL;
  failed = look_up(self, &key, &value);
  key_done(&key);
  if (value == NULL && !failed) {
    value = count == 2 ? args[1] : Py_None;
    Py_INCREF(value);
  }
  return value;
}

static int store_contains(PyObject *object, PyObject *key_object) {
  const Store *self = (Store *)object;
  PyThreadState *state;
  Key key;
  bool is_there;
  if (key_of(self, key_object, &key) < 0) return -1;
  state = let_go(self);
  is_there = ct_contains(self->cache, key.data, key.size);
  take_back(state);
  key_done(&key);
  return end_call(self, CT_OK) < 0 ? -1 : is_there;
}

static int store_delete(const Store *self, PyObject *key_object) {
  PyThreadState *state;
  Key key;
  ct_status status;
  if (key_of(self, key_object, &key) < 0) return -1;
  state = let_go(self);
  status = ct_delete(self->cache, key.data, key.size);
  take_back(state);
  key_done(&key);
  if (end_call(self, status) < 0) return -1;
  if (status == CT_OK) return 0;
  raise_key_error(key_object);
  return -1;
}

static int store_assign(PyObject *object, PyObject *key_object, PyObject *value) {
  const Store *self = (Store *)object;
  PyObject *bytes = NULL;
  PyThreadState *state;
  Parcel parcel;
  const void *data = &parcel;
  size_t size = sizeof parcel;
  Key key;
  ct_status status;
  if (value == NULL) return store_delete(self, key_object);
  if (key_of(self, key_object, &key) < 0) return -1;
  if (self->holds_objects) {
    parcel.key = key_object;
    parcel.value = value;
    parcel.tokens = key.tokens;
    hold(&parcel);
  } else {
    bytes = bytes_of(value);
    if (bytes == NULL) {
      key_done(&key);
      return -1;
    }
    data = PyBytes_AS_STRING(bytes);
    size = (size_t)PyBytes_GET_SIZE(bytes);
  }
  state = let_go(self);
  status = ct_set(self->cache, key.data, key.size, data, size);
  take_back(state);
  if (self->holds_objects && status != CT_OK) let_go_of(&parcel); /* it was not stored */
  key_done(&key);
  Py_XDECREF(bytes);
  return (status >= 0 && !self->reraises) ? 0 : end_call(self, status);
}

static PyObject *key_and_tokens(const Key *key) {
  return Py_BuildValue("y#O", (const char *)key->data, (Py_ssize_t)key->size,
                       key->tokens != NULL ? key->tokens : Py_None);
}

static PyObject *store_key(PyObject *object, PyObject *key_object) {
  PyObject *result;
  Key key;
  if (key_of((Store *)object, key_object, &key) < 0) return NULL;
  result = key_and_tokens(&key);
  key_done(&key);
  return result;
}

/* ---- Pins: values of caches of bytes, as buffers ---------------------------------------------- */

/* Its release runs no callback, so it does not matter on which thread, or when, a pin is freed. */
typedef struct {
  PyObject ob_base;
  ct_value value;
} Pin;

static int pin_buffer(PyObject *object, Py_buffer *view, int flags) {
  const ct_value *value = &((Pin *)object)->value;
  return PyBuffer_FillInfo(view, object, (void *)(uintptr_t)value->data, (Py_ssize_t)value->size, 1,
                           flags);
}

static void pin_dealloc(PyObject *object) {
  ct_value_release(&((Pin *)object)->value);
  PyObject_Free(object);
}

static PyBufferProcs pin_as_buffer = {pin_buffer, NULL};

static PyTypeObject pin_type = {
    .ob_base = {PyObject_HEAD_INIT(NULL) 0},
    .tp_name = "libcachetools._hot.Pin",
    .tp_doc = "Holds a pinned value.",
    .tp_basicsize = sizeof(Pin),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_dealloc = pin_dealloc,
    .tp_as_buffer = &pin_as_buffer,
};

/* For caches of bytes without callbacks. */
static PyObject *store_pin(PyObject *object, PyObject *key_object) {
  const Store *self = (Store *)object;
  PyObject *view = NULL;
  Pin *pin;
  Key key;
  ct_status status;
  if (key_of(self, key_object, &key) < 0) return NULL;
  pin = PyObject_New(Pin, &pin_type);
  if (pin == NULL) {
    key_done(&key);
    return NULL;
  }
  status = ct_get(self->cache, key.data, key.size, &pin->value);
  key_done(&key);
  if (status == CT_OK) {
    view = PyMemoryView_FromObject((PyObject *)pin);
  } else if (status > 0 || raise_status(status) == 0) {
    view = Py_None;
    Py_INCREF(view);
  }
  Py_DECREF(pin);
  return view;
}

/* ---- Many keys -------------------------------------------------------------------------------- */

#define MANY 64 /* keys in a call */

/* Looks up to MANY keys up, and appends their values, or None, to a list. */
static int get_some(const Store *self, PyObject *const *keys, size_t count, PyObject *list) {
  PyObject *owners[MANY];
  ct_bytes wanted[MANY];
  ct_value values[MANY];
  ct_status statuses[MANY], status = CT_OK;
  PyThreadState *state;
  size_t known = 0, i;
  int failed = 0;
  for (; known < count; known++) {
    owners[known] = bytes_of(keys[known]);
    if (owners[known] == NULL) break;
    wanted[known].data = PyBytes_AS_STRING(owners[known]);
    wanted[known].size = (size_t)PyBytes_GET_SIZE(owners[known]);
  }
  failed = known < count;
  if (!failed) {
    state = let_go(self);
    status = ct_get_many(self->cache, wanted, count, values, statuses);
    take_back(state);
    for (i = 0; i < count && status == CT_OK && !failed; i++) {
      PyObject *value = Py_None;
      if (statuses[i] == CT_OK) {
        value = value_of(self, values[i].data, values[i].size);
      } else {
        Py_INCREF(value);
      }
      failed = value == NULL || PyList_Append(list, value) < 0;
      Py_XDECREF(value);
    }
    state = let_go(self);
    for (i = 0; i < count; i++) ct_value_release(&values[i]);
    take_back(state);
  }
  for (i = 0; i < known; i++) Py_DECREF(owners[i]);
  return failed ? -1 : end_call(self, status);
}

/* For caches of bytes. */
static PyObject *store_get_many(PyObject *object, PyObject *keys) {
  const Store *self = (Store *)object;
  PyObject *sequence = PySequence_Tuple(keys); /* which nobody can change meanwhile */
  PyObject *list = sequence == NULL ? NULL : PyList_New(0);
  Py_ssize_t begin = 0, count = sequence == NULL ? 0 : PyTuple_GET_SIZE(sequence);
  int failed = list == NULL;
  while (!failed && is_open(self) && begin < count) {
    const Py_ssize_t some = count - begin < MANY ? count - begin : MANY;
    failed = get_some(self, &PyTuple_GET_ITEM(sequence, begin), (size_t)some, list) < 0;
    begin += some;
  }
  Py_XDECREF(sequence);
  if (!failed && self->cache != NULL) return list;
  Py_XDECREF(list);
  return NULL;
}

static PyObject *store_attach(PyObject *object, PyObject *args) {
  Store *self = (Store *)object;
  unsigned long long address;
  int holds_objects, lets_go, reraises;
  if (!PyArg_ParseTuple(args, "Kppp", &address, &holds_objects, &lets_go, &reraises)) return NULL;
  self->cache = (ct_cache *)(uintptr_t)address;
  self->holds_objects = (char)holds_objects;
  self->lets_go = (char)lets_go;
  self->reraises = (char)reraises;
  Py_RETURN_NONE;
}

static PyObject *store_detach(PyObject *object, PyObject *unused) {
  (void)unused;
  ((Store *)object)->cache = NULL;
  Py_RETURN_NONE;
}

/* So that Store[K, V] can be a base. */
static PyObject *store_of(PyObject *type, PyObject *parameters) {
  (void)parameters;
  Py_INCREF(type);
  return type;
}

static PyMethodDef store_methods[] = {
    {"__class_getitem__", store_of, METH_O | METH_CLASS, "Return the class itself."},
    {"get", (PyCFunction)(void (*)(void))store_get, METH_FASTCALL,
     "get(key, default=None, /)\n--\n\nReturn the value of a key, or else the default. A hit is a "
     "use."},
    {"_pin", store_pin, METH_O, "Return a view of a value, or None."},
    {"_get_many", store_get_many, METH_O, "Return a list of values, or None for those absent."},
    {"_key", store_key, METH_O, "Return the bytes of a key, and the tokens that they depend on."},
    {"_attach", store_attach, METH_VARARGS,
     "Begin to use a cache: its address; whether it holds objects, whether calls let go of the "
     "GIL, whether there are callbacks."},
    {"_detach", store_detach, METH_NOARGS, "Refuse all uses from now on."},
    {NULL, NULL, 0, NULL}};

static PyMappingMethods store_mapping = {NULL, store_subscript, store_assign};
static PySequenceMethods store_sequence = {.sq_contains = store_contains};

static PyTypeObject store_type = {
    .ob_base = {PyObject_HEAD_INIT(NULL) 0},
    .tp_name = "libcachetools._hot.Store",
    .tp_doc = "The fast methods of a cache.",
    .tp_basicsize = sizeof(Store),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew,
    .tp_methods = store_methods,
    .tp_as_mapping = &store_mapping,
    .tp_as_sequence = &store_sequence,
};

/* ---- Memoized functions --------------------------------------------------------------------- */

typedef struct {
  PyObject ob_base;
  Store *store;       /* a Store, or NULL */
  PyObject *prefix;   /* bytes, or NULL */
  PyObject *make_key; /* of the arguments, or NULL: they are the key */
  PyObject *owners;   /* of methods: a dict from the id of an object to its number, or NULL */
  char typed;
  char renews; /* a hit may have to be loaded, so each call goes to _compute */
  unsigned long long hits;
  unsigned long long misses;
} Memo;

/* Adds the object that a method is called on, by its number, which no other object ever has. So the
 * object need not be hashable, and is not kept alive. Returns 1 if it cannot be known when it dies. */
static int add_owner(Memo *self, Key *key, PyObject *owner) {
  PyObject *id = PyLong_FromVoidPtr(owner);
  PyObject *number = id == NULL ? NULL : PyDict_GetItemWithError(self->owners, id);
  unsigned long long value;
  Py_XDECREF(id);
  if (number != NULL)
    Py_INCREF(number);
  else if (PyErr_Occurred())
    return -1;
  else
    number = PyObject_CallMethod((PyObject *)self, "_own", "(O)", owner);
  if (number == NULL) return -1;
  if (number == Py_None) {
    Py_DECREF(number);
    return 1;
  }
  value = PyLong_AsUnsignedLongLong(number);
  Py_DECREF(number);
  if (PyErr_Occurred()) return -1;
  add_numbers(key, value, 0);
  return 0;
}

static int add_arguments(Memo *self, Key *key, PyObject *args, PyObject *kwargs) {
  const Py_ssize_t count = PyTuple_GET_SIZE(args);
  Py_ssize_t i = 0, place = 0;
  PyObject *name, *value;
  if (self->owners != NULL && count > 0) {
    const int odd = add_owner(self, key, PyTuple_GET_ITEM(args, 0));
    if (odd < 0) return -1;
    if (odd == 0) i = 1;
  }
  for (; i < count; i++) {
    if (add(key, PyTuple_GET_ITEM(args, i), self->typed) < 0) return -1;
  }
  while (kwargs != NULL && PyDict_Next(kwargs, &place, &name, &value)) {
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(name, &size);
    if (text == NULL) return -1;
    ct_key_name(key->builder, text, (size_t)size);
    if (add(key, value, self->typed) < 0) return -1;
  }
  return 0;
}

static int add_call(Memo *self, Key *key, PyObject *args, PyObject *kwargs) {
  PyObject *made;
  int result;
  if (self->make_key == NULL) return add_arguments(self, key, args, kwargs);
  made = PyObject_Call(self->make_key, args, kwargs);
  if (made == NULL) return -1;
  result = add(key, made, self->typed);
  Py_DECREF(made);
  return result;
}

static int add_prefix(const Memo *self, Key *key) {
  PyObject *bytes = PyBytes_FromStringAndSize(key->data, (Py_ssize_t)key->size);
  PyObject *whole = self->prefix;
  Py_INCREF(whole);
  PyBytes_ConcatAndDel(&whole, bytes);
  return use_bytes(key, whole);
}

static int fill_call(Memo *self, PyObject *args, PyObject *kwargs, Key *key) {
  if (add_call(self, key, args, kwargs) < 0 || key_end(key) < 0) return -1;
  if (!is_open(self->store)) return -1;
  if (self->prefix != NULL && add_prefix(self, key) < 0) return -1;
  if (key->tokens == NULL || self->store->holds_objects) return 0;
  PyErr_SetString(PyExc_TypeError,
                  "in a cache of bytes, arguments are None, bools, numbers of 64 bits, str, bytes "
                  "and tuples of these; give memoize a key function");
  return -1;
}

/* On failure nothing need be done with the key. */
static int key_of_call(Memo *self, PyObject *args, PyObject *kwargs, Key *key) {
  if (self->store == NULL) {
    PyErr_SetString(PyExc_TypeError, "the memo was not initialized");
    return -1;
  }
  if (key_begin(key, self->typed) < 0) return -1;
  if (fill_call(self, args, kwargs, key) == 0) return 0;
  key_done(key);
  return -1;
}

static PyObject *memo_call(PyObject *object, PyObject *args, PyObject *kwargs) {
  Memo *self = (Memo *)object;
  PyObject *value = NULL, *parts, *result;
  Key key;
  if (key_of_call(self, args, kwargs, &key) < 0) return NULL;
  if (!self->renews && (look_up(self->store, &key, &value) < 0 || value != NULL)) {
    self->hits += value != NULL;
    key_done(&key);
    return value;
  }
  parts = key_and_tokens(&key);
  key_done(&key);
  if (parts == NULL) return NULL;
  result = PyObject_CallMethod(object, "_compute", "OOO", parts, args,
                               kwargs != NULL ? kwargs : Py_None);
  Py_DECREF(parts);
  return result;
}

static PyObject *memo_key(PyObject *object, PyObject *args, PyObject *kwargs) {
  PyObject *parts;
  Key key;
  if (key_of_call((Memo *)object, args, kwargs, &key) < 0) return NULL;
  parts = key_and_tokens(&key);
  key_done(&key);
  return parts;
}

static PyObject *memo_bind(PyObject *memo, PyObject *object, PyObject *type) {
  (void)type;
  if (object != NULL && object != Py_None) return PyMethod_New(memo, object);
  Py_INCREF(memo);
  return memo;
}

static PyObject *memo_remember(PyObject *object, PyObject *args) {
  Memo *self = (Memo *)object;
  PyObject *store, *prefix, *make_key;
  int typed, renews;
  if (!PyArg_ParseTuple(args, "O!SOpp", &store_type, &store, &prefix, &make_key, &typed, &renews))
    return NULL;
  Py_INCREF(store);
  Py_XSETREF(self->store, (Store *)store);
  Py_CLEAR(self->prefix);
  if (PyBytes_GET_SIZE(prefix) > 0) {
    Py_INCREF(prefix);
    self->prefix = prefix;
  }
  Py_CLEAR(self->make_key);
  if (make_key != Py_None) {
    Py_INCREF(make_key);
    self->make_key = make_key;
  }
  self->typed = (char)typed;
  self->renews = (char)renews;
  Py_RETURN_NONE;
}

static PyObject *memo_set_owners(PyObject *object, PyObject *owners) {
  Memo *self = (Memo *)object;
  if (!PyDict_Check(owners)) {
    PyErr_SetString(PyExc_TypeError, "owners are in a dict");
    return NULL;
  }
  Py_INCREF(owners);
  Py_XSETREF(self->owners, owners);
  Py_RETURN_NONE;
}

static PyObject *memo_count(PyObject *object, PyObject *is_hit) {
  Memo *self = (Memo *)object;
  if (is_hit == Py_True)
    self->hits++;
  else
    self->misses++;
  Py_RETURN_NONE;
}

static int memo_traverse(PyObject *object, visitproc visit, void *arg) {
  Memo *self = (Memo *)object;
  Py_VISIT(self->store);
  Py_VISIT(self->make_key);
  Py_VISIT(self->owners);
  return 0;
}

static int memo_clear(PyObject *object) {
  Memo *self = (Memo *)object;
  Py_CLEAR(self->store);
  Py_CLEAR(self->prefix);
  Py_CLEAR(self->make_key);
  Py_CLEAR(self->owners);
  return 0;
}

static void memo_dealloc(PyObject *object) {
  PyObject_GC_UnTrack(object);
  memo_clear(object);
  Py_TYPE(object)->tp_free(object);
}

static PyMethodDef memo_methods[] = {
    {"_key", (PyCFunction)(void (*)(void))memo_key, METH_VARARGS | METH_KEYWORDS,
     "Return the bytes of a call's key, and the tokens that they depend on."},
    {"_remember", memo_remember, METH_VARARGS,
     "Say how: in which Store, with which prefix, by which function for keys or None, and whether "
     "types count."},
    {"_set_owners", memo_set_owners, METH_O, "Become a method, whose objects have these numbers."},
    {"_count", memo_count, METH_O, "Count a hit (True) or a miss."},
    {NULL, NULL, 0, NULL}};

static PyMemberDef memo_members[] = {
    {"_hits", T_ULONGLONG, offsetof(Memo, hits), 0, "calls that did not run the function"},
    {"_misses", T_ULONGLONG, offsetof(Memo, misses), 0, "runs of the function"},
    {NULL, 0, 0, 0, NULL}};

static PyTypeObject memo_type = {
    .ob_base = {PyObject_HEAD_INIT(NULL) 0},
    .tp_name = "libcachetools._hot.Memo",
    .tp_doc = "The call of a memoized function.",
    .tp_basicsize = sizeof(Memo),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
                Py_TPFLAGS_METHOD_DESCRIPTOR,
    .tp_new = PyType_GenericNew,
    .tp_dealloc = memo_dealloc,
    .tp_traverse = memo_traverse,
    .tp_clear = memo_clear,
    .tp_call = memo_call,
    .tp_descr_get = memo_bind,
    .tp_methods = memo_methods,
    .tp_members = memo_members,
};

/* ---- The module ----------------------------------------------------------------------------- */

static PyObject *connect_functions(PyObject *module, PyObject *args) {
  (void)module;
  if (!PyArg_ParseTuple(args, "OOOOO", &check, &reraise, &token_of, &closed, &call_key)) {
    return NULL;
  }
  Py_INCREF(check);
  Py_INCREF(reraise);
  Py_INCREF(token_of);
  Py_INCREF(closed);
  Py_INCREF(call_key);
  Py_RETURN_NONE;
}

static PyObject *parcel_new(PyObject *module, PyObject *args) {
  Parcel parcel;
  PyObject *bytes;
  (void)module;
  if (!PyArg_ParseTuple(args, "OOO", &parcel.key, &parcel.value, &parcel.tokens)) return NULL;
  if (parcel.tokens == Py_None) parcel.tokens = NULL;
  bytes = PyBytes_FromStringAndSize((const char *)&parcel, sizeof parcel);
  if (bytes != NULL) hold(&parcel);
  return bytes;
}

static PyObject *parcel_free(PyObject *module, PyObject *bytes) {
  Parcel parcel;
  (void)module;
  memcpy(&parcel, PyBytes_AS_STRING(bytes), sizeof parcel);
  let_go_of(&parcel);
  Py_RETURN_NONE;
}

static PyObject *parcel_open(PyObject *module, PyObject *address) {
  Parcel parcel;
  const void *data = PyLong_AsVoidPtr(address);
  (void)module;
  if (PyErr_Occurred()) return NULL;
  memcpy(&parcel, data, sizeof parcel);
  return PyTuple_Pack(2, parcel.key, parcel.value);
}

static PyMethodDef functions[] = {
    {"connect", connect_functions, METH_VARARGS,
     "Bring what this module uses: check, reraise, token_of, ClosedError and CallKey."},
    {"parcel_new", parcel_new, METH_VARARGS,
     "Return the bytes of a parcel of key, value and tokens, which owns them."},
    {"parcel_free", parcel_free, METH_O, "Free a parcel that the library did not store."},
    {"parcel_open", parcel_open, METH_O, "Return key and value of the parcel at an address."},
    {NULL, NULL, 0, NULL}};

static PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "libcachetools._hot",
    .m_doc = "The calls of libcachetools that must be fast.",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__hot(void);
PyMODINIT_FUNC PyInit__hot(void) {
  PyObject *module, *drop;
  if (PyType_Ready(&pin_type) < 0 || PyType_Ready(&store_type) < 0 || PyType_Ready(&memo_type) < 0)
    return NULL;
  waiting = PyList_New(0);
  drop = PyLong_FromVoidPtr((void *)(uintptr_t)&release_dropped);
  module = PyModule_Create(&module_def);
  if (waiting == NULL || drop == NULL || module == NULL) return NULL;
  Py_INCREF(&store_type);
  Py_INCREF(&memo_type);
  if (PyModule_AddObject(module, "Store", (PyObject *)&store_type) < 0 ||
      PyModule_AddObject(module, "Memo", (PyObject *)&memo_type) < 0 ||
      PyModule_AddObject(module, "DROP", drop) < 0) {
    return NULL;
  }
  return module;
}
