"""Les noms qu'un code lie et lit, où qu'il le fasse."""

import ast
import symtable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Names:
    """Les noms d'une cellule : ceux qu'elle lie, ceux qu'elle lit aussitôt, ceux que ses fonctions
    liront plus tard.
    """

    bound: set[str] = field(default_factory=set)
    now: set[str] = field(default_factory=set)
    later: set[str] = field(default_factory=set)

    @property
    def read(self) -> set[str]:
        return self.now | self.later


class Generators(ast.NodeTransformer):
    """Récrit les compréhensions en générateurs, qui lient et lisent les mêmes noms.

    Depuis Python 3.12, `symtable` range la variable d'une compréhension, et non celle d'un
    générateur, parmi les noms qui l'entourent.
    """

    def visit_ListComp(self, node):
        self.generic_visit(node)
        return ast.GeneratorExp(node.elt, node.generators)

    visit_SetComp = visit_ListComp

    def visit_DictComp(self, node):
        self.generic_visit(node)
        return ast.GeneratorExp(ast.Tuple([node.key, node.value], ast.Load()), node.generators)


def symbols(text: str, path: Path) -> symtable.SymbolTable:
    """La table des noms d'un code, la même pour toutes les versions de Python ; lève `SyntaxError`
    si ce n'en est pas.
    """
    return symtable.symtable(ast.unparse(Generators().visit(ast.parse(text))), str(path), "exec")


def scan(table: symtable.SymbolTable, names: Names, later: bool):
    """Range dans `names` les noms globaux que `table` et les blocs qu'elle contient lient ou
    lisent.
    """
    top = table.get_type() == "module"
    for symbol in table.get_symbols():
        if top or symbol.is_global():
            if symbol.is_assigned() or symbol.is_imported() or (top and symbol.is_namespace()):
                names.bound.add(symbol.get_name())
            if symbol.is_referenced():
                (names.later if later else names.now).add(symbol.get_name())
    for child in table.get_children():
        # Une compréhension ou le corps d'une classe s'exécutent sur place, une fonction plus tard.
        at_once = child.get_type() == "class" or child.get_name() == "genexpr"
        scan(child, names, later or not at_once)
