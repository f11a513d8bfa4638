"""The tests of the package import only ``salkit``; those in ``book/`` are of chapters, pages and tools."""
