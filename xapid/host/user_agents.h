#ifndef XAPID_HOST_USER_AGENTS_H
#define XAPID_HOST_USER_AGENTS_H

/* Note what a client says it is in its user-agent header (NULL: nothing): "name/version …". A few dozen of
 * those seen first are kept. Never yields. */
void user_agent_note(const char *header);

#endif
