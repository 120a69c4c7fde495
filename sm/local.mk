noinst_LIBRARIES += sm/libsm.a
sm_libsm_a_SOURCES = sm/changes.c sm/changes.h sm/disk.c sm/disk.h sm/disk_runs.c sm/disk_runs.h \
	sm/disk_writing.c sm/disk_writing.h sm/drivers.h sm/fail.c sm/fail.h sm/file.c sm/folder.c sm/folder.h sm/image.c sm/image.h sm/iso.c \
	sm/qcow2.c sm/qcow2.h sm/sm.c sm/sm.h sm/stream.c sm/stream.h
EXTRA_DIST += sm/README.md
