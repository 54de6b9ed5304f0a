"""Order of the packages: a module imports only from packages before its own, and from its own."""
import ast
import unittest

import context

# From the bottom to the top. A folder within another one comes before it.
ORDER = ("networks", "checkpoints", "data/drawn", "data/photos", "data/street", "data", "training",
         "export", "evaluation", "cli", ".")
ROOT = context.MODELS / "dvis"
FILES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path
         for path in sorted(ROOT.rglob("*.py")) if path.name != "__init__.py"}


def folder(module: str) -> str:
    """Folder of a module by its dotted name below `dvis`."""
    return "/".join(module.split(".")[:-1]) or "."


def imports(module: str) -> list[tuple[str, str]]:
    """Place and target of every import from this package, also inside functions.

    Imports for type checkers alone are left out: they are never executed."""
    tree = ast.parse(FILES[module].read_text(encoding="utf-8"))
    unchecked = {child for node in ast.walk(tree)
                 if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
                 for child in ast.walk(node)}
    found = []
    for node in ast.walk(tree):
        place = f"dvis/{module.replace('.', '/')}.py:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.ImportFrom) and node.level and node not in unchecked:
            base = module.split(".")[:-node.level] + (node.module.split(".") if node.module else [])
            for alias in node.names:
                named = ".".join([*base, alias.name])
                found.append((place, named if named in FILES else ".".join(base)))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "dvis":
            found.append((place, node.module))
        elif isinstance(node, ast.Import):
            found += [(place, alias.name) for alias in node.names
                      if alias.name.split(".")[0] == "dvis"]
    return found


class Architecture(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.imports = {module: imports(module) for module in FILES}

    def test_every_folder_has_its_place_in_the_order(self):
        self.assertEqual(set(ORDER), set(map(folder, FILES)))

    def test_every_import_is_relative_and_names_a_module(self):
        """So that the other tests know what it refers to."""
        wrong = [f"{place} imports {target}" for found in self.imports.values()
                 for place, target in found if target not in FILES]
        self.assertEqual([], wrong)

    def test_packages_import_only_downwards(self):
        wrong = [f"{place} imports {target}" for module, found in self.imports.items()
                 for place, target in found
                 if target in FILES
                 and ORDER.index(folder(target)) > ORDER.index(folder(module))]
        self.assertEqual([], wrong)

    def test_modules_do_not_import_each_other_in_a_circle(self):
        waiting = {module: {target for _, target in found}
                   for module, found in self.imports.items()}
        while free := [module for module, needed in waiting.items() if not needed & set(waiting)]:
            for module in free:
                del waiting[module]
        self.assertEqual({}, waiting)


if __name__ == "__main__":
    unittest.main()
