noinst_LIBRARIES += model/libmodel.a
model_libmodel_a_SOURCES = model/member.c model/member.h model/model.c model/model.h model/ref.c model/row.h model/text.c model/value.h \
	model/value.c
nodist_model_libmodel_a_SOURCES = model/tables.gen.c

model_data = $(wildcard $(srcdir)/model/classes/*.toml) $(srcdir)/model/errors.toml $(srcdir)/model/gaps.txt
model_generator = $(srcdir)/model/generate.py $(wildcard $(srcdir)/model/generator/*.py)
model_headers = model/ids.gen.h model/rows.gen.h model/args.gen.h model/errors.gen.h db/setters.gen.h \
	xapid/handlers.gen.h
model_generated = $(model_headers) model/tables.gen.c xapid/handlers.gen.c

EXTRA_DIST += model/README.md $(model_data) $(model_generator)
BUILT_SOURCES += $(model_generated)
CLEANFILES += $(model_generated) model/model.stamp

# One run of the generator makes all files; it leaves alone those that would not change.
model/model.stamp: $(model_data) $(model_generator)
	$(AM_V_GEN)$(PYTHON) -B $(srcdir)/model/generate.py --source $(srcdir)/model --output . && touch $@
$(model_generated): model/model.stamp
	@test -f $@ || { rm -f model/model.stamp; $(MAKE) $(AM_MAKEFLAGS) model/model.stamp; }

# The browsable reference of the API, as static pages in doc/api of the build tree.
.PHONY: doc
doc: $(model_data) $(model_generator)
	$(AM_V_GEN)$(PYTHON) -B $(srcdir)/model/generate.py --source $(srcdir)/model --output . --pages
clean-local: clean-doc
.PHONY: clean-doc
clean-doc:
	rm -rf doc/api
