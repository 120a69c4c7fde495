#ifndef XAPID_SERVER_H
#define XAPID_SERVER_H
/*
 * The daemon's parts, made by main in order and torn down in reverse. There is one a process; handlers reach
 * it through struct call.
 */
#include "db/db.h"
#include "pool/agent.h"
#include "pool/membership.h"
#include "pool/peer.h"
#include "rpc/http.h"
#include "rpc/plain.h"
#include "rpc/tls.h"
#include "xapid/own_address.h"

struct xapid_options {
    const char *state_dir, *address, *hypervisor, *sim_script, *config;
    const char *unix_socket;    /* NULL: STATE/xapi.sock */
    const char *authentication; /* "passwd" or "pam"; NULL: STATE/passwd when it is there, else PAM */
    const char *pam_dir;        /* where PAM looks for the service xapid; NULL: the system's */
    const char *demo_guest;     /* folder made by scripts/demo-guest; NULL: STATE/guests/demo */
    const char *qemu_user;      /* who QEMU runs as, where root starts the daemon */
    const char *plugin_dir;     /* of host.call_plugin; NULL: SYSCONFDIR/xapi.d/plugins */
    const char *extension_dir;  /* of host.call_extension; NULL: SYSCONFDIR/xapi.d/extensions */
    const char *machine_root;   /* before the paths of the system's files that settings write; NULL: none */
    const char *power_command;  /* run with "shutdown" or "reboot"; NULL: systemctl */
    const char *log_level;      /* a name of lib/log.h */
    const char *fault_at;       /* tests only: see lib/fault.h */
    const char *password_user;  /* --set-password */
    const char *check_db;       /* --check-db: a file, "": the state directory's; NULL: not that */
    const char *restore_db;     /* --restore-db */
    const char *backup_dir;     /* NULL: STATE/backups */
    int backup_interval;        /* seconds; 0: no backups */
    int backup_number, backup_max_mib;
    int port;
    int http_port;             /* of plain HTTP; negative: none */
    int login_delay_ms;        /* after a failed login */
    int evacuation_batch_size; /* guests that leave a host at a time */
    int silence_ms;            /* of another host of the pool, until it counts as gone */
    bool foreground, check_config;
    bool strict_members; /* as a member, answer logins with HOST_IS_SLAVE */
    bool metrics;        /* on the plain HTTP port */
    int argc;
    char **argv; /* as main got them, to be read again */
};

/* By which interface this host is managed (xapid/management.h). */
struct management {
    char interface[16];             /* "": none was chosen */
    char address[OWN_ADDRESS_SIZE]; /* that it had when it was chosen */
    bool off;                       /* by none: only the local socket is listened on */
};

struct audit_log;
struct member_agent;
struct xapid {
    struct xapid_options options;
    struct db *db;
    struct agent *agent; /* of this host; operations ask xapid/host/host_agent.h */
    struct agent_host_facts facts;
    struct member_agent *members; /* who acts for the other hosts of the pool (xapid/host/host_agent.c) */
    unsigned n_members;
    struct http_server *http;
    struct plain_server *plain; /* NULL: no plain HTTP port */
    struct tls_server *tls;
    struct audit_log *audit; /* NULL: none is kept, as in unit tests */
    struct {
        int https, http, local; /* listening (xapid/sockets.h); -1: none */
        bool anew;              /* on all addresses: the next process is to open its own */
    } sockets;
    struct membership membership; /* which pool, and whether this host is its coordinator */
    struct authority *authority;  /* of the pool's certificates */
    struct peer_pool peer_pool;   /* what other hosts of the pool are told */
    bool stepping_down;           /* another host leads the pool; it is being looked for */
    bool restarting;              /* another database is about to take over: only reads are served */
    bool stay_down;               /* host.shutdown_agent: nobody is to start the daemon again */
    struct ref host, pool;        /* this host, the pool */
    uint16_t port;                /* that it listens on */
    struct management management;
    const char *listening;          /* the address that it listens on, or a wildcard */
    char address[OWN_ADDRESS_SIZE]; /* that others reach it at, also when it listens on a wildcard; "": at
                                       none */
};

#endif
