#ifndef XAPID_VERSION_H
#define XAPID_VERSION_H

/* The version of this toolstack. Alone in its object, so that tests link a daemon of another version. */
extern const char xapid_version[];

#endif
